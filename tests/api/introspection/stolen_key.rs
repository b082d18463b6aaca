//! What somebody else can sign with a key of the customer.

use std::sync::Arc;

use countersign_actors::commands::{Access, Command, Decided, Moment};
use countersign_actors::crypto::seal::{MasterKey, Sealer};
use countersign_actors::crypto::sealed::SealedKey;
use countersign_actors::id::KeyId;
use countersign_actors::tenant::{Rejection, State};
use serde_json::{Value, json};

use crate::chain::{APP, Chain, KINDS};
use crate::support::{Service, forged, text, uuid};

/// A change to the claims of a token.
type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;

fn changes(another: &str) -> Vec<(&'static str, Change<'_>)> {
    vec![
        (
            "later exp",
            Box::new(|claims| claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 1)),
        ),
        (
            "earlier exp",
            Box::new(|claims| claims["exp"] = json!(claims["exp"].as_i64().unwrap() - 1)),
        ),
        (
            "earlier iat",
            Box::new(|claims| claims["iat"] = json!(claims["iat"].as_i64().unwrap() - 1)),
        ),
        ("an unknown jti", Box::new(|claims| claims["jti"] = json!(uuid()))),
        ("another's jti", Box::new(move |claims| claims["jti"] = json!(another))),
        ("one claim more", Box::new(|claims| claims["admin"] = json!(true))),
        ("scopes", Box::new(|claims| claims["scopes"] = json!(["keys:manage"]))),
        (
            "another parent",
            Box::new(|claims| claims["parent_jti"] = json!(uuid())),
        ),
        (
            "wider actions",
            Box::new(|claims| claims["rbac"] = json!({"allowed_actions": ["*"]})),
        ),
        (
            "more events",
            Box::new(|claims| claims["max_events"] = json!(1_000_000)),
        ),
        ("another event", Box::new(|claims| claims["event_id"] = json!("evt-2"))),
        ("a depth", Box::new(|claims| claims["depth"] = json!(0))),
        (
            "no environment",
            Box::new(|claims| drop(claims.as_object_mut().unwrap().remove("typ"))),
        ),
    ]
}

/// Takes a sealed key out of the vault, as no command of the service does.
struct TakeKey(KeyId);

impl Command for TakeKey {
    type Reply = Option<Arc<SealedKey>>;

    fn access(&self) -> Access {
        Access::Public
    }

    fn decide(self, state: &State, _: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        Ok(Decided::answer(state.vault.signing_key(self.0).cloned()))
    }
}

#[test]
fn what_a_stolen_key_signs_is_worth_nothing_unless_it_is_what_was_recorded() {
    let service = Service::start();
    let chain = Chain::new(&service);
    let master = std::fs::read(service.data_dir().join("master.key")).unwrap();
    let sealer = Sealer::new(&MasterKey::from_content(&master).unwrap());
    let kid = KeyId::parse(chain.key_id()).unwrap();
    let sealed = service.ask(&chain.customer, TakeKey(kid)).unwrap();
    let stolen = sealed.open(&sealer).unwrap();
    for kind in KINDS {
        let token = chain.token(kind);
        let same = forged(token, |_, _| {}, Some(stolen));
        assert!(
            service.is_active(&same),
            "{kind}: the record's own claims are its claims"
        );
        let other = if kind == "app" { "bearer" } else { "app" };
        for (what, change) in changes(chain.jti(other)) {
            let wider = forged(token, |_, claims| change(claims), Some(stolen));
            assert!(!service.is_active(&wider), "{kind}: {what}");
            let body = json!({"token": wider, "action": "code:read:x"});
            assert_eq!(
                service.posted("/tokens/authorize", &body)["step"],
                "token",
                "{kind}: {what}"
            );
            let answer = service.post_as(&wider, "/tokens/introspect", &json!({"token": token}));
            answer.refused(401, "unauthenticated", &[]);
        }
    }
    // A retired key signs nothing that another key has signed.
    let rotation = json!({"customer_id": chain.customer, "immediate": true});
    service.posted(&format!("/keys/{}/rotate", chain.key_id()), &rotation);
    let newer = service.posted("/tokens/app", &(APP.request)(&chain));
    let again = forged(
        text(&newer, "token"),
        |header, _| header["kid"] = json!(chain.key_id()),
        Some(stolen),
    );
    assert!(service.is_active(text(&newer, "token")));
    assert!(!service.is_active(&again), "the kid is not the one recorded for it");
}
