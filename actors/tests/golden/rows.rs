//! Rows beside the events: facts that are overwritten in place, sealed secrets, entries of the audit.

use std::sync::Arc;

use countersign_actors::crypto::seal::{MasterKey, Purpose, Sealer};
use countersign_actors::crypto::sealed::{SealedKey, SealedSecret};
use countersign_actors::id::{Jti, KeyId};
use countersign_actors::journal::{SideChange, Space};
use countersign_actors::tenant::audit::AuditEntry;
use countersign_actors::tenant::rows::RowChange;
use countersign_actors::tenant::vault::{Vault, VaultChange};
use countersign_actors::testing::{audit_row, fact_of_row, row, secret_of_row, vault_row};
use serde_json::json;

use crate::{AT, all_files_are_used, customer, golden, hex, lines, pairs, public_key, uuid};

/// The file of a kind of row. A new kind does not compile until it has one here, and wants a sample below.
const fn file_of(change: &RowChange) -> &'static str {
    match change {
        RowChange::SessionUsed { .. } => "session_used",
        RowChange::SessionForgotten(_) => "session_forgotten",
        RowChange::KeyForgotten(_) => "key_forgotten",
    }
}

fn facts() -> Vec<RowChange> {
    let jti = Jti::new(uuid(10));
    vec![
        RowChange::SessionUsed { jti, used: 70_000 },
        RowChange::SessionForgotten(jti),
        RowChange::KeyForgotten(KeyId::new(uuid(2))),
    ]
}

const fn file_of_secret(change: &VaultChange) -> &'static str {
    match change {
        VaultChange::PutSigningKey(_) => "vault.signing_key",
        VaultChange::PutOverrideSecret(_) => "vault.override_secret",
        VaultChange::EraseSigningKey(_) => "vault.signing_key_erased",
    }
}

fn secrets() -> Vec<VaultChange> {
    let kid = KeyId::new(uuid(2));
    let key = SealedKey::from_parts(kid, customer(), public_key(), (0..150).collect());
    let secret = SealedSecret::from_parts(customer(), (0..61).collect());
    vec![
        VaultChange::PutSigningKey(Arc::new(key)),
        VaultChange::PutOverrideSecret(Arc::new(secret)),
        VaultChange::EraseSigningKey(kid),
    ]
}

fn entries() -> Vec<(&'static str, AuditEntry)> {
    let least = AuditEntry {
        id: "aud_01900000000070008000000000000016".to_owned(),
        at: AT,
        actor: "management".to_owned(),
        action: "override.created".to_owned(),
        target: "ovr_01900000000070008000000000000015".to_owned(),
        reason: None,
        request_id: None,
        before: None,
        after: None,
    };
    let all = AuditEntry {
        reason: Some("because \"é\"".to_owned()),
        request_id: Some("trace-1".into()),
        before: Some(json!({"effect": "DENY"})),
        after: Some(json!([1, null])),
        ..least.clone()
    };
    vec![("audit", least), ("audit.full", all)]
}

/// The file of a row, after comparing it; its key and value, unless the row is deleted.
fn kept(name: &str, space: Space, change: &SideChange) -> Option<(Vec<u8>, Vec<u8>)> {
    assert_eq!(change.space, space, "{name}");
    match &change.value {
        Some(value) => pairs(&golden(name, &lines([(change.key.as_slice(), value.as_slice())]))).pop(),
        None => {
            golden(name, &format!("{} deleted", hex(&change.key)));
            None
        }
    }
}

#[test]
fn every_row_is_written_and_read_as_ever() {
    let mut names = Vec::new();
    for fact in facts() {
        let name = format!("rows/{}.txt", file_of(&fact));
        let space = match fact {
            RowChange::KeyForgotten(_) => Space::Vault,
            RowChange::SessionUsed { .. } | RowChange::SessionForgotten(_) => Space::Row,
        };
        if let Some((key, value)) = kept(&name, space, &row(&fact)) {
            assert_eq!(fact_of_row(&key, &value), Ok(fact), "{name}");
        }
        names.push(name);
    }
    for secret in secrets() {
        let name = format!("rows/{}.txt", file_of_secret(&secret));
        let change = vault_row(&secret);
        if let Some((key, value)) = kept(&name, Space::Vault, &change) {
            let read = secret_of_row(customer(), &key, &value).expect("a secret");
            assert_eq!(vault_row(&read), change, "{name}");
        }
        names.push(name);
    }
    for (name, entry) in entries() {
        let name = format!("rows/{name}.txt");
        let change = audit_row(&entry, 7).expect("it can be written");
        let (_, value) = kept(&name, Space::Audit, &change).expect("an entry is never deleted");
        assert_eq!(serde_json::from_slice::<AuditEntry>(&value).ok(), Some(entry), "{name}");
        names.push(name);
    }
    names.push(sealed_values_open_as_ever());
    all_files_are_used("rows", &names);
}

/// Sealing is random, so what is pinned is that what was once sealed still opens.
fn sealed_values_open_as_ever() -> String {
    let name = "rows/sealed.txt".to_owned();
    let sealer = Sealer::new(&MasterKey::from_bytes(&[7; 32]).expect("a key"));
    let id = *uuid(2).as_bytes();
    let purposes = [Purpose::SigningKey, Purpose::OverrideSecret];
    let fresh = || {
        let sealed = purposes.map(|purpose| sealer.seal(customer(), &id, purpose, b"a secret").expect("sealed"));
        lines(
            [(b"check".as_slice(), sealer.check_value().expect("a value").as_slice())]
                .into_iter()
                .chain(sealed.iter().map(|sealed| (b"sealed".as_slice(), sealed.as_slice()))),
        )
    };
    let kept = std::fs::read_to_string(crate::path_of(&name)).unwrap_or_else(|_| golden(&name, &fresh()));
    let kept = pairs(&kept);
    assert!(sealer.matches_check_value(&kept[0].1).expect("a comparison"));
    for (purpose, (_, sealed)) in purposes.into_iter().zip(&kept[1..]) {
        let opened = sealer.open(customer(), &id, purpose, sealed).expect("it opens");
        assert_eq!(opened.as_slice(), b"a secret");
    }
    name
}

#[test]
fn an_erased_key_leaves_the_vault() {
    let mut vault = Vault::default();
    for change in secrets() {
        vault.apply(change);
    }
    assert!(vault.signing_key(KeyId::new(uuid(2))).is_none() && vault.override_secret().is_some());
}
