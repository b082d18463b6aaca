//! Folded rows: what events add up to, once they are forgotten themselves.

use std::collections::BTreeSet;
use std::fmt::Debug;

use countersign_actors::id::{AgentId, EventId, Jti, KeyId};
use countersign_actors::permissions::event::{NewOverride, RoleContent};
use countersign_actors::permissions::{
    ActionPattern, AdminId, Capability, Effect, Expiry, OverrideId, PathPattern, Reason, RoleId,
};
use countersign_actors::tenant::decisions::DecisionRecord;
use countersign_actors::tenant::event::{Mint, MintDetails};
use countersign_actors::tenant::folding::rows::{
    Assignment, Entry, FoldedCall, FoldedDecision, FoldedOverride, FoldedRole, FoldedRow, FoldedToken, Head, Segment,
};
use countersign_actors::tenant::idempotency::{Digest, Idempotency, IdempotencyRecord, Outcome};
use countersign_actors::tenant::keys::SigningKeyRecord;
use countersign_actors::tenant::revocations::{Revocation, Target};
use countersign_actors::token::{Decision, Environment};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AT, all_files_are_used, golden, hex, public_key, unhex, uuid, variants};

/// The beginning of the names of a kind's files. A new kind does not compile until it has one here, and wants a sample below.
const fn file_of(row: &FoldedRow) -> &'static str {
    match row {
        FoldedRow::Head => "head",
        FoldedRow::Key(_) => "key",
        FoldedRow::Override(_) => "override",
        FoldedRow::Assignment(_) => "assignment",
        FoldedRow::Role(_) => "role",
        FoldedRow::Segment(_) => "segment",
    }
}

/// The files that were compared.
struct Compared(Vec<String>);

impl Compared {
    /// Compares a row with its file, its key in hexadecimal and its value as it is, and reads both back.
    #[track_caller]
    fn row<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, suffix: &str, row: FoldedRow, value: &T) {
        let name = format!("folded/{}{suffix}.txt", file_of(&row));
        let written = serde_json::to_string(value).expect("it can be written");
        let kept = golden(&name, &format!("{} {written}", hex(&row.key())));
        let (key, json) = kept.split_once(' ').expect("a key and a value");
        assert_eq!(FoldedRow::of_key(&unhex(key)), Some(row), "{name}");
        assert_eq!(
            &serde_json::from_str::<T>(json).expect("it can be read"),
            value,
            "{name}"
        );
        self.0.push(name);
    }
}

fn jti() -> Jti {
    Jti::new(uuid(10))
}

fn because() -> Option<Box<str>> {
    Some("because \"é\"".into())
}

fn key(is_full: bool) -> SigningKeyRecord {
    SigningKeyRecord {
        sequence: 1,
        kid: KeyId::new(uuid(2)),
        public: public_key(),
        created_at: AT,
        signs_from: AT,
        signs_until: is_full.then(|| AT.plus_seconds(60)),
        last_expiry: is_full.then(|| AT.seconds().plus(90)),
        revoked: is_full,
    }
}

fn rule() -> FoldedOverride {
    let new = NewOverride {
        id: OverrideId::parse(&format!("ovr_{}", uuid(21).simple())).expect("an id"),
        admin_id: AdminId::parse("alice@example.com").expect("an id"),
        path: PathPattern::parse("orders.*").expect("a path"),
        action: ActionPattern::parse("approve").expect("an action"),
        effect: Effect::Deny,
        reason: Reason::parse("because a test says so").expect("a reason"),
        expiry: Expiry::At(AT.plus_seconds(60)),
        created_by: Some(jti()),
    };
    FoldedOverride { at: AT, new }
}

fn role() -> FoldedRole {
    let content = RoleContent {
        id: RoleId::Made(uuid(20)),
        name: "auditor".into(),
        description: because(),
        capabilities: vec![Capability::parse("orders.*:read").expect("a capability")],
    };
    FoldedRole {
        created_at: AT,
        updated_at: AT.plus_seconds(60),
        content,
    }
}

fn targets() -> Vec<(&'static str, Target)> {
    vec![
        (
            "token",
            Target::Token {
                jti: jti(),
                cascade: true,
            },
        ),
        (
            "agent",
            Target::Agent(AgentId::parse("code-review-agent").expect("an id")),
        ),
        ("issued_before", Target::IssuedBefore(AT.seconds())),
        ("key", Target::Key(KeyId::new(uuid(2)))),
    ]
}

/// Lines of segments.
fn entries() -> Vec<(String, Entry)> {
    let mint = Mint {
        jti: jti(),
        parent: Some(Jti::new(uuid(9))),
        kid: KeyId::new(uuid(2)),
        issued_at: AT.seconds(),
        expires_at: AT.seconds().plus(3_600),
        details: MintDetails::Bearer {
            environment: Environment::Production,
        },
    };
    let record = DecisionRecord {
        override_jti: jti(),
        decision: Decision::Approve,
        decided_by: Some("alice".into()),
        reason: because(),
        decided_at: AT,
    };
    let event_id = EventId::parse("evt-1").expect("an id");
    let asked = Idempotency {
        scope: Digest::of_sha256([1; 32]),
        request: Digest::of_sha256([2; 32]),
    };
    let call = FoldedCall {
        at: AT,
        record: IdempotencyRecord::of(asked, Outcome::Minted(jti())),
    };
    let revocations = targets().into_iter().map(|(name, target)| {
        let revocation = Revocation {
            sequence: 7,
            target,
            at: AT,
            reason: because(),
            relevant_until: AT.seconds().plus(3_600),
        };
        (format!("revocation.{name}"), Entry::Revocation(revocation))
    });
    let others = [
        ("token".to_owned(), Entry::Token(FoldedToken { sequence: 6, mint })),
        (
            "decision".to_owned(),
            Entry::Decision(FoldedDecision { event_id, record }),
        ),
        ("call".to_owned(), Entry::Call(call)),
    ];
    others.into_iter().chain(revocations).collect()
}

#[test]
fn every_folded_row_is_written_and_read_as_ever() {
    let mut compared = Compared(Vec::new());
    let head = |suspended| Head {
        up_to: 40,
        at: AT,
        suspended,
        forgotten: AT.seconds().plus(-3_600),
    };
    compared.row("", FoldedRow::Head, &head(false));
    compared.row(".full", FoldedRow::Head, &head(true));
    compared.row("", FoldedRow::Key(1), &key(false));
    compared.row(".full", FoldedRow::Key(1), &key(true));
    compared.row("", FoldedRow::Override(258), &rule());
    let assignment = Assignment {
        admin_id: AdminId::parse("alice@example.com").expect("an id"),
        roles: vec![RoleId::Made(uuid(20)), RoleId::Viewer],
    };
    compared.row("", FoldedRow::Assignment(259), &assignment);
    compared.row("", FoldedRow::Role(RoleId::Made(uuid(20))), &role());
    let segment = Segment {
        until: AT.seconds(),
        fold: 40,
    };
    for (name, entry) in entries() {
        compared.row(&format!(".{name}"), FoldedRow::Segment(segment), &entry);
    }
    all_files_are_used("folded", &compared.0);
}

#[test]
fn every_line_of_a_segment_has_a_file() {
    let names: BTreeSet<String> = entries().into_iter().map(|(name, _)| name).collect();
    for variant in variants::<Entry>()
        .into_iter()
        .filter(|variant| variant != "revocation")
    {
        assert!(names.contains(&variant), "{variant}");
    }
    for variant in variants::<Target>() {
        assert!(names.contains(&format!("revocation.{variant}")), "{variant}");
    }
}
