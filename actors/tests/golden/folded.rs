//! Rows of folded state.

use std::fmt::Debug;

use countersign_actors::id::{AgentId, EventId, Jti, KeyId};
use countersign_actors::permissions::event::{NewOverride, RoleContent};
use countersign_actors::permissions::{
    ActionPattern, AdminId, Capability, Effect, Expiry, OverrideId, PathPattern, Reason, RoleId,
};
use countersign_actors::tenant::decisions::DecisionRecord;
use countersign_actors::tenant::event::{Mint, MintDetails};
use countersign_actors::tenant::folding::rows::{
    Assignment, Entry, FoldedBar, FoldedCall, FoldedDecision, FoldedOverride, FoldedRole, FoldedRow, FoldedToken, Head,
    Segment,
};
use countersign_actors::tenant::idempotency::{Digest, Idempotency, IdempotencyRecord, Outcome};
use countersign_actors::tenant::keys::SigningKeyRecord;
use countersign_actors::tenant::revocations::{Revocation, Target};
use countersign_actors::token::{Decision, Environment};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AT, all_files_are_used, golden, lines, pairs, public_key, uuid, variants};

fn jti() -> Jti {
    Jti::new(uuid(10))
}

fn segment() -> FoldedRow {
    FoldedRow::Segment(Segment {
        until: AT.seconds().plus(3_600),
        fold: 256,
    })
}

/// Compares a row with its file, and reads the file back.
fn kept<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    names: &mut Vec<String>,
    row: FoldedRow,
    name: &str,
    value: &T,
) {
    let name = format!("folded/{name}.txt");
    let json = serde_json::to_vec(value).expect("it can be written");
    let (key, read) = pairs(&golden(&name, &lines([(row.key().as_slice(), json.as_slice())])))
        .pop()
        .expect("a row");
    assert_eq!(FoldedRow::of_key(&key), Some(row), "{name}");
    assert_eq!(serde_json::from_slice::<T>(&read).ok().as_ref(), Some(value), "{name}");
    names.push(name);
}

fn key(name: &str) -> SigningKeyRecord {
    let is_over = name == "key.over";
    SigningKeyRecord {
        sequence: 1,
        kid: KeyId::new(uuid(2)),
        public: public_key(),
        created_at: AT,
        signs_from: AT.plus_seconds(300),
        signs_until: is_over.then(|| AT.plus_seconds(600)),
        last_expiry: is_over.then(|| AT.seconds().plus(900)),
        revoked: is_over,
    }
}

fn rule(suspended: bool) -> FoldedOverride {
    FoldedOverride {
        at: AT,
        new: NewOverride {
            id: OverrideId::parse("ovr_01900000000070008000000000000015").expect("an id"),
            admin_id: AdminId::parse("user-1").expect("an id"),
            path: PathPattern::parse("billing.*").expect("a pattern"),
            action: ActionPattern::parse("read").expect("a pattern"),
            effect: Effect::Grant,
            reason: Reason::parse("because \"é\" says so").expect("a reason"),
            expiry: if suspended {
                Expiry::At(AT.plus_seconds(60))
            } else {
                Expiry::Never
            },
            created_by: suspended.then(jti),
        },
        suspended,
    }
}

fn revocation(target: Target) -> Revocation {
    Revocation {
        sequence: 8,
        target,
        at: AT,
        reason: Some("lost".into()),
        relevant_until: AT.seconds().plus(3_600),
    }
}

fn targets() -> Vec<(&'static str, Target)> {
    let (jti, cascade) = (jti(), true);
    let issued_before = AT.seconds();
    vec![
        ("token", Target::Token { jti, cascade }),
        (
            "agent",
            Target::Agent(AgentId::parse("code-review-agent").expect("an id")),
        ),
        ("issued_before", Target::IssuedBefore(issued_before)),
        ("key", Target::Key(KeyId::new(uuid(2)))),
        ("restoration", Target::Restoration { issued_before }),
    ]
}

/// One entry of each kind, under the name of its kind.
fn entries() -> Vec<(&'static str, Entry)> {
    let event_id = EventId::parse("evt-1").expect("an id");
    let key = Idempotency {
        scope: Digest::of_sha256([1; 32]),
        request: Digest::of_sha256([2; 32]),
    };
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
        decided_by: Some("ops".into()),
        reason: None,
        decided_at: AT,
    };
    let call = FoldedCall {
        at: AT,
        record: IdempotencyRecord::of(key, Outcome::Minted(jti())),
    };
    let bar = FoldedBar {
        event_id: event_id.clone(),
        at: AT,
    };
    vec![
        ("token", Entry::Token(FoldedToken { sequence: 7, mint })),
        (
            "revocation",
            Entry::Revocation(revocation(Target::Key(KeyId::new(uuid(2))))),
        ),
        ("decision", Entry::Decision(FoldedDecision { event_id, record })),
        ("bar", Entry::Bar(bar)),
        ("call", Entry::Call(call)),
    ]
}

#[test]
fn every_folded_row_is_written_and_read_as_ever() {
    let mut names = Vec::new();
    let head = |suspended| Head {
        up_to: 256,
        at: AT,
        suspended,
        forgotten: AT.seconds().plus(-3_600),
    };
    kept(&mut names, FoldedRow::Head, "head", &head(false));
    kept(&mut names, FoldedRow::Head, "head.suspended", &head(true));
    for name in ["key", "key.over"] {
        kept(&mut names, FoldedRow::Key(1), name, &key(name));
    }
    kept(&mut names, FoldedRow::Override(4), "override", &rule(false));
    kept(&mut names, FoldedRow::Override(4), "override.suspended", &rule(true));
    let id = RoleId::Made(uuid(5));
    let assignment = Assignment {
        admin_id: AdminId::parse("user-1").expect("an id"),
        roles: vec![RoleId::Viewer, id],
    };
    kept(&mut names, FoldedRow::Assignment(5), "assignment", &assignment);
    let role = FoldedRole {
        created_at: AT,
        updated_at: AT.plus_seconds(1),
        content: RoleContent {
            id,
            name: "auditor".into(),
            description: None,
            capabilities: vec![Capability::parse("billing:read").expect("a capability")],
        },
    };
    kept(&mut names, FoldedRow::Role(id), "role", &role);
    for (name, entry) in entries() {
        kept(&mut names, segment(), &format!("segment.{name}"), &entry);
    }
    let targets = targets();
    assert_eq!(variants::<Target>().len(), targets.len(), "a new target wants a file");
    for (name, target) in targets {
        kept(
            &mut names,
            segment(),
            &format!("segment.revocation.{name}"),
            &Entry::Revocation(revocation(target)),
        );
    }
    let kinds: Vec<_> = entries().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(variants::<Entry>(), kinds, "a new kind of entry wants a file");
    all_files_are_used("folded", &names);
}
