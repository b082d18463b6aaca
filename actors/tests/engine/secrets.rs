//! What holds a secret does not show it, however it is printed.

use std::fmt::Debug;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign_actors::commands::{BearerParent, DecideEvent, MintBearer, MintOverride, PresentedToken};
use countersign_actors::crypto::digest::{OverrideSecret, sha256};
use countersign_actors::crypto::keys::SigningKey;
use countersign_actors::crypto::seal::{MasterKey, Purpose, Sealer};
use countersign_actors::crypto::sealed::{SealedKey, SealedSecret};
use countersign_actors::id::{EventId, KeyId};
use countersign_actors::tenant::vault::{Vault, VaultChange};
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::{Decision, DecisionSet, Environment, TokenHashDigest, jwt};
use uuid::Uuid;

use crate::support::{Fixture, app, call, customer};

const MASTER: &[u8] = b"a-master-key-of-more-than-32-bytes";

/// The ways in which a program could print bytes.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    vec![
        list.trim_matches(['[', ']']).to_owned(),
        hex.to_uppercase(),
        hex,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        secret.escape_ascii().to_string(),
    ]
}

#[track_caller]
fn hides(value: &dyn Debug, secrets: &[Vec<u8>]) {
    let shown = format!("{value:?}");
    // Over several lines a list of numbers looks different.
    let pretty: String = format!("{value:#?}").split_whitespace().collect();
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        let squeezed: String = form.split_whitespace().collect();
        assert!(!shown.contains(&form) && !pretty.contains(&squeezed), "{shown}");
    }
}

#[test]
fn keys_and_sealed_secrets_do_not_print_what_they_hold() {
    let master = MasterKey::from_bytes(MASTER).expect("a key");
    let sealer = Sealer::new(&master);
    hides(&master, &[MASTER.to_vec()]);
    hides(&sealer, &[MASTER.to_vec()]);

    let customer = crate::fresh_customer();
    let kid = KeyId::new(Uuid::from_u128(7));
    let key = Arc::new(SealedKey::generate(&sealer, customer, kid).expect("a key"));
    let der = sealer.open(customer, kid.as_bytes(), Purpose::SigningKey, key.sealed());
    let der = der.expect("it opens").to_vec();
    let at = der
        .windows(5)
        .position(|window| window == [2, 1, 1, 4, 32])
        .expect("a scalar")
        + 5;
    let private = [der[at..at + 32].to_vec(), der.clone()];
    hides(&key, &private);
    hides(&key.open(&sealer).expect("it opens"), &private);
    hides(&SigningKey::from_pkcs8(&der).expect("a key"), &private);

    let sealed = SealedSecret::generate(&sealer, customer).expect("a secret");
    let secret = sealer.open(customer, customer.as_bytes(), Purpose::OverrideSecret, sealed.sealed());
    let secret = [secret.expect("it opens").to_vec()];
    let sealed = Arc::new(sealed);
    hides(&sealed.open(&sealer).expect("it opens"), &secret);
    let bytes = <[u8; 32]>::try_from(secret[0].as_slice()).expect("32 bytes");
    hides(&OverrideSecret::from_bytes(bytes), &secret);

    let all: Vec<_> = private.into_iter().chain(secret).collect();
    let changes = [VaultChange::PutSigningKey(key), VaultChange::PutOverrideSecret(sealed)];
    hides(&changes, &all);
    let mut vault = Vault::default();
    changes.into_iter().for_each(|change| vault.apply(change));
    hides(&vault, &all);
}

#[tokio::test]
async fn tokens_and_cosignatures_do_not_print_what_they_hold() {
    let fixture = Fixture::new();
    let engine = &fixture.engine;
    let customer = customer(engine).await;
    let minted = app(engine, customer).await.expect("an app token");
    let token = minted.signed.token().to_owned();
    let signature = token.rsplit_once('.').expect("a signature").1;
    let raw = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let hash = token_hash(&token);
    let secrets = [
        token.clone().into_bytes(),
        signature.as_bytes().to_vec(),
        raw,
        hash.clone().into_bytes(),
        sha256(token.as_bytes()).to_vec(),
        sha256(hash.as_bytes()).to_vec(),
    ];
    hides(&minted, &secrets);
    hides(&minted.grant, &secrets);
    hides(&minted.signed, &secrets);
    let presented = jwt::parse(&token).expect("a token");
    hides(&presented, &secrets);
    let verified: PresentedToken = engine.verify(&token, None).await.expect("it verifies").1;
    hides(&verified, &secrets);
    let digest = TokenHashDigest::of(&hash);
    hides(&digest, &secrets);
    let bearer = MintBearer {
        jti: engine.fresh_jti(),
        parent: BearerParent::Hash(digest),
        environment: Environment::Production,
        ttl_days: None,
    };
    hides(&bearer, &secrets);

    let event_id = EventId::parse("evt-1").expect("an id");
    let flagged = MintOverride {
        jti: engine.fresh_jti(),
        event_id: event_id.clone(),
        allowed_decisions: DecisionSet::Only(Decision::Approve),
        reason: None,
        ttl_minutes: None,
        parent: None,
    };
    let flagged = engine.mint(customer, call(flagged)).await.expect("an override token");
    let decide = DecideEvent {
        event_id,
        override_jti: flagged.grant.jti(),
        decision: Decision::Approve,
        decided_by: None,
        reason: None,
    };
    let cosigned = engine.decide_event(customer, call(decide)).await.expect("a decision");
    hides(&cosigned, &[cosigned.cosignature.clone().into_bytes()]);
}
