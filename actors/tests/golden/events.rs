//! Events, one file each: every variant, once with all that it may hold and once with as little as it can.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_actors::clock::UnixSeconds;
use countersign_actors::id::{AgentId, EventId, Jti, KeyId, Name, SessionId};
use countersign_actors::permissions::event::{NewOverride, RoleContent};
use countersign_actors::permissions::{
    ActionPattern, AdminId, Capability, Effect, Expiry, OverrideId, PathPattern, PermissionEvent, Reason, RoleId,
};
use countersign_actors::rbac::{Pattern, Policy, PolicyRequest};
use countersign_actors::tenant::event::{Event, KeyMade, Mint, MintDetails, Recorded};
use countersign_actors::tenant::idempotency::{Digest, Idempotency, IdempotencyRecord, Outcome};
use countersign_actors::tenant::restoration::Restoration;
use countersign_actors::testing::{event_bytes, event_of_bytes};
use countersign_actors::token::{Decision, DecisionSet, Environment, Scopes, TokenHashDigest};

use crate::{AT, all_files_are_used, golden, public_key, uuid, variants};

fn jti(number: u128) -> Jti {
    Jti::new(uuid(number))
}

fn kid(number: u128) -> KeyId {
    KeyId::new(uuid(number))
}

fn key_made() -> KeyMade {
    KeyMade {
        kid: kid(2),
        public: public_key(),
        signs_from: AT.plus_seconds(300),
    }
}

fn because() -> Option<Box<str>> {
    Some("because \"é\"".into())
}

fn agent_id() -> AgentId {
    AgentId::parse("code-review-agent").expect("an id")
}

fn event_id() -> EventId {
    EventId::parse("evt-1").expect("an id")
}

fn policy() -> Arc<Policy> {
    let patterns = |list: &[&str]| {
        let patterns = list.iter().map(|text| Pattern::parse(text).expect("a pattern"));
        Some(patterns.collect())
    };
    let request = PolicyRequest {
        allowed_actions: patterns(&["code:[!x]*:?"]),
        denied_actions: patterns(&["code:drop:*"]),
        allowed_resources: patterns(&["repo:*"]),
        denied_resources: patterns(&["repo:secret"]),
        max_sensitivity_level: Some(2),
        max_risk_score: serde_json::Number::from_f64(0.5),
    };
    Arc::new(Policy::root(request).expect("a policy"))
}

fn minted(parent: Option<Jti>, details: MintDetails) -> Event {
    Event::TokenMinted(Mint {
        jti: jti(10),
        parent,
        kid: kid(2),
        issued_at: AT.seconds(),
        expires_at: AT.seconds().plus(3_600),
        details,
    })
}

/// What a mint can tell, in all its forms.
fn mints() -> Vec<(&'static str, Event)> {
    let agent = |policy, agent_name| MintDetails::Agent {
        agent_id: agent_id(),
        agent_name,
        policy,
    };
    let subagent = |policy, agent_name| MintDetails::Subagent {
        agent_id: agent_id(),
        agent_name,
        policy,
        depth: 3,
    };
    let name = || Name::parse("Reviewer").ok();
    let app = MintDetails::App {
        name: Name::parse("pipeline").expect("a name"),
        scopes: Scopes::parse(&["tokens:mint", "overrides:decide"]).expect("scopes"),
        hash: TokenHashDigest::of("hash"),
    };
    let everything = MintDetails::App {
        name: Name::parse("pipeline").expect("a name"),
        scopes: Scopes::parse(&["*"]).expect("scopes"),
        hash: TokenHashDigest::of("hash"),
    };
    let bearer = |environment| MintDetails::Bearer { environment };
    let session = MintDetails::Session {
        session_id: SessionId::parse("session-1").expect("an id"),
        max_events: 1_000_000,
    };
    let flagged = |allowed_decisions, reason| MintDetails::Override {
        event_id: event_id(),
        allowed_decisions,
        reason,
    };
    vec![
        ("token_minted.app", minted(None, app)),
        ("token_minted.app.everything", minted(None, everything)),
        (
            "token_minted.bearer",
            minted(Some(jti(9)), bearer(Environment::Production)),
        ),
        (
            "token_minted.bearer.staging",
            minted(Some(jti(9)), bearer(Environment::Staging)),
        ),
        (
            "token_minted.bearer.development",
            minted(Some(jti(9)), bearer(Environment::Development)),
        ),
        ("token_minted.agent", minted(Some(jti(9)), agent(None, None))),
        (
            "token_minted.agent.full",
            minted(Some(jti(9)), agent(Some(policy()), name())),
        ),
        ("token_minted.subagent", minted(Some(jti(9)), subagent(None, None))),
        (
            "token_minted.subagent.full",
            minted(Some(jti(9)), subagent(Some(policy()), name())),
        ),
        ("token_minted.session", minted(Some(jti(9)), session)),
        (
            "token_minted.override",
            minted(None, flagged(DecisionSet::Either, None)),
        ),
        (
            "token_minted.override.full",
            minted(Some(jti(9)), flagged(DecisionSet::Only(Decision::Reject), because())),
        ),
    ]
}

fn permissions() -> Vec<(&'static str, PermissionEvent)> {
    let role = RoleId::parse("role_01900000000070008000000000000014").expect("an id");
    let capabilities = |list: &[&str]| {
        let capabilities = list.iter().map(|text| Capability::parse(text).expect("a capability"));
        capabilities.collect()
    };
    let content = |description| RoleContent {
        id: role,
        name: "auditor".into(),
        description,
        capabilities: capabilities(&["orders.*:read", "*:*"]),
    };
    let id = |number: u128| OverrideId::parse(&format!("ovr_{}", uuid(number).simple())).expect("an id");
    let admin_id = || AdminId::parse("alice@example.com").expect("an id");
    let rule = |expiry, created_by: Option<Jti>| NewOverride {
        id: id(21),
        admin_id: admin_id(),
        path: PathPattern::parse("orders.refunds").expect("a path"),
        action: ActionPattern::parse("approve").expect("an action"),
        effect: if created_by.is_some() {
            Effect::Deny
        } else {
            Effect::Grant
        },
        reason: Reason::parse("because a test says so").expect("a reason"),
        expiry,
        created_by,
    };
    vec![
        (
            "override_created",
            PermissionEvent::OverrideCreated(rule(Expiry::Never, None)),
        ),
        (
            "override_created.full",
            PermissionEvent::OverrideCreated(rule(Expiry::At(AT.plus_seconds(60)), Some(jti(9)))),
        ),
        ("override_deleted", PermissionEvent::OverrideDeleted { id: id(21) }),
        (
            "overrides_purged",
            PermissionEvent::OverridesPurged {
                ids: vec![id(21), id(22)],
            },
        ),
        ("role_created", PermissionEvent::RoleCreated(content(None))),
        ("role_created.full", PermissionEvent::RoleCreated(content(because()))),
        ("role_changed", PermissionEvent::RoleChanged(content(None))),
        ("role_deleted", PermissionEvent::RoleDeleted { id: role }),
        (
            "grants_suspended",
            PermissionEvent::GrantsSuspended { ids: vec![id(21)] },
        ),
        ("grant_confirmed", PermissionEvent::GrantConfirmed { id: id(21) }),
        (
            "roles_assigned",
            PermissionEvent::RolesAssigned {
                admin_id: admin_id(),
                roles: vec![role, RoleId::Viewer, RoleId::SuperAdmin],
            },
        ),
    ]
}

/// Everything else that can have happened.
fn others() -> Vec<(&'static str, Event)> {
    let revoked = |cascade, reason| Event::TokenRevoked {
        jti: jti(10),
        cascade,
        reason,
    };
    let agent = |reason| Event::AgentRevoked {
        agent_id: agent_id(),
        reason,
    };
    let before = |reason| Event::IssuedBeforeRevoked {
        issued_before: UnixSeconds::new(1_772_323_200),
        reason,
    };
    let key = |reason| Event::SigningKeyRevoked { kid: kid(2), reason };
    let barred = Restoration::EventsBarred {
        event_ids: vec![event_id()],
    };
    let restored = Restoration::CustomerRestored {
        taken_at: AT,
        issued_before: AT.seconds().plus(1),
    };
    let decided = |decision, decided_by, reason| Event::EventDecided {
        event_id: event_id(),
        override_jti: jti(10),
        decision,
        decided_by,
        reason,
    };
    vec![
        ("signing_key_created", Event::SigningKeyCreated(key_made())),
        (
            "signing_key_rotated",
            Event::SigningKeyRotated {
                previous: kid(3),
                new: key_made(),
            },
        ),
        (
            "signing_key_promoted",
            Event::SigningKeyPromoted {
                previous: kid(3),
                kid: kid(2),
            },
        ),
        ("token_revoked", revoked(false, None)),
        ("token_revoked.full", revoked(true, because())),
        ("agent_revoked", agent(None)),
        ("agent_revoked.full", agent(because())),
        ("issued_before_revoked", before(None)),
        ("issued_before_revoked.full", before(because())),
        ("signing_key_revoked", key(None)),
        ("signing_key_revoked.full", key(because())),
        ("event_decided", decided(Decision::Reject, None, None)),
        (
            "event_decided.full",
            decided(Decision::Approve, Some("alice".into()), because()),
        ),
        ("session_counted", Event::SessionCounted { jti: jti(10), used: 7 }),
        ("customer_suspended", Event::CustomerSuspended { reason: None }),
        (
            "customer_suspended.full",
            Event::CustomerSuspended { reason: because() },
        ),
        ("restoration.events_barred", Event::Restoration(barred)),
        ("restoration.customer_restored", Event::Restoration(restored)),
        ("customer_resumed", Event::CustomerResumed { reason: None }),
        ("customer_resumed.full", Event::CustomerResumed { reason: because() }),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    vec![
        ("minted", Outcome::Minted(jti(10))),
        ("key", Outcome::Key(kid(2))),
        ("decided", Outcome::Decided(event_id())),
        ("done", Outcome::Done),
        (
            "counted",
            Outcome::Counted {
                used: 7,
                remaining: 993,
            },
        ),
        ("thing", Outcome::Thing("ovr_01900000000070008000000000000015".into())),
    ]
}

/// Every sample with the name of its file.
fn samples() -> Vec<(String, Recorded)> {
    let recorded = |event, idempotency| Recorded {
        at: AT,
        event,
        idempotency,
    };
    let plain = others()
        .into_iter()
        .chain(mints())
        .map(|(name, event)| (name.to_owned(), event));
    let permissions = permissions()
        .into_iter()
        .map(|(name, event)| (format!("permission.{name}"), Event::Permission(event)));
    let key = Idempotency {
        scope: Digest::of_sha256([1; 32]),
        request: Digest::of_sha256([2; 32]),
    };
    let keyed = outcomes().into_iter().map(|(name, outcome)| {
        let record = IdempotencyRecord::of(key, outcome);
        let event = Event::CustomerResumed { reason: None };
        (format!("keyed.{name}"), recorded(event, Some(record)))
    });
    let all = plain
        .chain(permissions)
        .map(|(name, event)| (name, recorded(event, None)));
    all.chain(keyed)
        .map(|(name, sample)| (format!("events/{name}.json"), sample))
        .collect()
}

#[test]
fn every_event_is_written_and_read_as_ever() {
    let samples = samples();
    for (name, sample) in &samples {
        let written = event_bytes(sample).expect("it can be written");
        let kept = golden(name, std::str::from_utf8(&written).expect("JSON is UTF-8"));
        assert_eq!(event_of_bytes(kept.as_bytes()).as_ref(), Ok(sample), "{name}");
    }
    let names: Vec<String> = samples.into_iter().map(|(name, _)| name).collect();
    all_files_are_used("events", &names);
}

#[test]
fn every_variant_has_a_file() {
    let names: BTreeSet<String> = samples().into_iter().map(|(name, _)| name).collect();
    let missing = |prefix: &str, variants: Vec<String>| -> Vec<String> {
        let wanted = variants.into_iter().map(|variant| format!("events/{prefix}{variant}"));
        wanted
            .filter(|wanted| !names.iter().any(|name| name.starts_with(&format!("{wanted}."))))
            .collect()
    };
    assert_eq!(missing("", variants::<Event>()), Vec::<String>::new());
    assert_eq!(
        missing("token_minted.", variants::<MintDetails>()),
        Vec::<String>::new()
    );
    assert_eq!(
        missing("permission.", variants::<PermissionEvent>()),
        Vec::<String>::new()
    );
    assert_eq!(missing("keyed.", variants::<Outcome>()), Vec::<String>::new());
    assert!(
        missing("", vec!["token_mint".to_owned()]) == ["events/token_mint"],
        "the search does find what is missing"
    );
}

#[test]
fn an_unknown_event_is_refused_and_an_unknown_member_is_not_a_reason_to_refuse() {
    let unknown = br#"{"at":1772323200000,"event":{"token_lost":{}}}"#;
    assert!(event_of_bytes(unknown).is_err());
    // Fields are only ever added: an older program that is started again by mistake reads what it knows.
    let later = br#"{"at":1772323200000,"event":{"customer_resumed":{"later":1}},"later":2}"#;
    assert!(event_of_bytes(later).is_ok());
}
