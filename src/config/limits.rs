//! What each key may hold, and the name of the environment variable that overrides it.

use std::fmt;

use toml::Value;

/// Whole numbers, by key: lowest and highest value. A test holds that every numeric key stands here.
const RANGES: &[(&str, i64, i64)] = &[
    ("server.port", 0, 65_535),
    // actix-server accepts no more than 512.
    ("server.workers", 0, 512),
    ("server.body_max_bytes", 1_024, 16 * 1024 * 1024),
    ("server.batch_body_max_bytes", 1_024, 64 * 1024 * 1024),
    ("server.connections_max", 1, 1_000_000),
    ("server.in_flight_max", 1, 1_000_000),
    ("server.header_timeout_seconds", 1, 300),
    ("server.body_timeout_seconds", 1, 300),
    ("server.idle_timeout_seconds", 1, 3_600),
    ("server.drain_seconds", 0, 3_600),
    ("server.shutdown_timeout_seconds", 1, 3_600),
    ("tls.handshake_timeout_seconds", 1, 300),
    ("tls.handshakes_max", 1, 100_000),
    ("tls.reload_seconds", 1, 86_400),
    ("tokens.default_app_ttl_days", 1, 3_650),
    ("tokens.max_delegation_depth", 1, 16),
    ("tokens.in_flight_per_tenant_max", 1, 1_000_000),
    ("keys.key_publish_ahead_seconds", 0, 86_400),
    ("storage.disk_free_min_mib", 0, 1_048_576),
    ("engine.shards", 0, 512),
    ("engine.idle_tenant_seconds", 1, 86_400),
    ("engine.active_tenants_max", 1, 10_000_000),
    ("permissions.management_per_hour", 1, 1_000_000_000),
    ("permissions.checks_per_hour", 1, 1_000_000_000),
    ("permissions.audit_per_hour", 1, 1_000_000_000),
    ("traces.sample_percent", 0, 100),
];

/// Texts of which only some are allowed.
const CHOICES: &[(&str, &[&str])] = &[
    ("log.format", &["text", "json"]),
    ("tls.client_certificates", &["none", "optional", "required"]),
    ("permissions.audit_decisions", &["all", "denied", "none"]),
];

/// Items of a list.
const LIST_ITEMS_MAX: usize = 64;

/// Environment names that the documents give; every other key follows the rule of [`environment_name`].
const DOCUMENTED_NAMES: &[(&str, &str)] = &[
    ("server.port", "AUTH_PORT"),
    ("server.host", "AUTH_HOST"),
    ("storage.data_dir", "AUTH_DATA_DIR"),
    ("auth.master_key_file", "AUTH_MASTER_KEY_FILE"),
    ("auth.admin_token_file", "AUTH_ADMIN_TOKEN_FILE"),
    ("log.filter", "AUTH_LOG"),
    ("tokens.default_app_ttl_days", "AUTH_DEFAULT_APP_TTL_DAYS"),
    ("tokens.max_delegation_depth", "AUTH_MAX_DELEGATION_DEPTH"),
];

/// The one variable that overrides a key: the documented name where there is one, else `AUTH_<SECTION>_<KEY>` in capitals.
pub(super) fn environment_name(key: &str) -> String {
    match DOCUMENTED_NAMES.iter().find(|(documented, _)| *documented == key) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("AUTH_{}", key.replace('.', "_").to_ascii_uppercase()),
    }
}

/// Checks one value against the kind of its default and against what its key may hold.
pub(super) fn check_value(key: &str, value: &Value, default: &Value) -> Result<(), String> {
    if !value.same_type(default) {
        return Err(format!("must be {}, not {}", kind(default), kind(value)));
    }
    match value {
        Value::Integer(number) => {
            let Some((_, low, high)) = RANGES.iter().find(|(ranged, ..)| *ranged == key) else {
                return Err("has no range".to_owned());
            };
            if (*low..=*high).contains(number) {
                Ok(())
            } else {
                Err(format!("must be between {low} and {high}, not {number}"))
            }
        }
        Value::String(text) => match CHOICES.iter().find(|(limited, _)| *limited == key) {
            Some((_, allowed)) if !allowed.contains(&text.as_str()) => {
                Err(format!("must be one of {}", allowed.join(", ")))
            }
            _ => Ok(()),
        },
        Value::Array(items) if items.len() > LIST_ITEMS_MAX => Err(format!("must have at most {LIST_ITEMS_MAX} items")),
        Value::Array(items) if !items.iter().all(Value::is_str) => Err("must be a list of texts".to_owned()),
        _ => Ok(()),
    }
}

/// Reads an environment variable's text as a value of the same kind as the default; the items of a list are joined by commas.
pub(super) fn parse_text(text: &str, default: &Value) -> Result<Value, String> {
    match default {
        Value::Integer(_) => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| "must be a whole number".to_owned()),
        Value::Boolean(_) => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| "must be true or false".to_owned()),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn kind(value: &Value) -> impl fmt::Display {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn defaults() -> Vec<(String, Value)> {
        let table = toml::Table::try_from(Config::default()).unwrap();
        let mut keys = Vec::new();
        for (section, content) in &table {
            for (key, value) in content.as_table().unwrap() {
                keys.push((format!("{section}.{key}"), value.clone()));
            }
        }
        keys
    }

    #[test]
    fn every_default_is_within_its_own_range() {
        for (key, value) in defaults() {
            assert_eq!(check_value(&key, &value, &value), Ok(()), "{key}");
        }
    }

    #[test]
    fn every_listed_key_exists() {
        let keys: Vec<String> = defaults().into_iter().map(|(key, _)| key).collect();
        let listed = RANGES.iter().map(|r| r.0).chain(CHOICES.iter().map(|c| c.0));
        for key in listed.chain(DOCUMENTED_NAMES.iter().map(|d| d.0)) {
            assert!(keys.iter().any(|k| k == key), "{key}");
        }
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut names: Vec<String> = defaults().iter().map(|(key, _)| environment_name(key)).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&"AUTH_KEYS_KEY_PUBLISH_AHEAD_SECONDS".to_owned()));
    }
}
