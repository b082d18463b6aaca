//! The layers of a configuration: defaults, file, environment.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use super::limits::{check_value, environment_name, parse_text};
use super::{Config, DEFAULT_FILE, Problem, Problems, Secrets};

/// Variables with this prefix are ours to explain.
const PREFIX: &str = "AUTH_";
/// Variables that hold a secret and stand for no key.
const SECRET_NAMES: [&str; 4] = [
    "AUTH_MASTER_KEY",
    "AUTH_ADMIN_TOKEN",
    "AUTH_METRICS_TOKEN",
    "AUTH_CLIENT_CREDENTIAL",
];

/// The `AUTH_` variables of a process; `None` stands for a value that is not UTF-8.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            Some((name, value.into_string().ok()))
        });
        Self(ours.collect())
    }

    /// Variables given in code.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .collect(),
        )
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }
}

/// Visits every `section.key` of a configuration written as TOML.
pub(super) fn for_each_key(table: &Table, mut visit: impl FnMut(&str, &str, &Value)) {
    for (section, content) in table {
        for (name, value) in content.as_table().into_iter().flatten() {
            visit(section, name, value);
        }
    }
}

impl Config {
    /// Reads the named file, or [`DEFAULT_FILE`] if there is one, and these variables.
    ///
    /// # Errors
    /// All problems at once, each naming its key, variable or file.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let text = match std::fs::read_to_string(file.unwrap_or(Path::new(DEFAULT_FILE))) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => String::new(),
            Err(error) => {
                let path = file.unwrap_or(Path::new(DEFAULT_FILE));
                return Err(Problems(vec![Problem::new(
                    path.display().to_string(),
                    format!("cannot be read: {error}"),
                )]));
            }
        };
        let config = Self::from_layers(&text, environment, &mut problems)?;
        if let Err(Problems(found)) = config.check() {
            // A key may be reported by its layer already; the rule on the whole adds only what is new.
            problems.extend(found);
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(problems))
        }
    }

    /// Puts the layers together. Values at fault keep their default, so that everything else can still be judged.
    fn from_layers(text: &str, environment: &Environment, problems: &mut Vec<Problem>) -> Result<Self, Problems> {
        let internal = |message: String| Problems(vec![Problem::new(DEFAULT_FILE, message)]);
        let defaults = Table::try_from(Self::default()).map_err(|error| internal(error.to_string()))?;
        let given: Table = text.parse().map_err(|error| internal(syntax_message(text, &error)))?;
        let mut merged = defaults.clone();
        merge_file(&mut merged, &defaults, given, problems);
        let mut warnings = merge_environment(&mut merged, &defaults, environment, problems);
        let mut config: Self = merged
            .try_into()
            .map_err(|error: toml::de::Error| internal(error.message().to_owned()))?;
        config.secrets = Secrets::read(&config, environment, problems, &mut warnings);
        config.warnings = warnings;
        Ok(config)
    }
}

/// Where the file stops being TOML. The library's own message quotes the line, which might hold a misplaced secret.
fn syntax_message(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn merge_file(merged: &mut Table, defaults: &Table, given: Table, problems: &mut Vec<Problem>) {
    for (section, content) in given {
        let Some(Value::Table(known)) = defaults.get(&section) else {
            problems.push(Problem::new(section, "is not a section or key of the configuration"));
            continue;
        };
        let Value::Table(content) = content else {
            problems.push(Problem::new(section, "must be a section"));
            continue;
        };
        for (name, value) in content {
            let key = format!("{section}.{name}");
            let Some(default) = known.get(&name) else {
                problems.push(Problem::new(key, "is not a key of the configuration"));
                continue;
            };
            match check_value(&key, &value, default) {
                Ok(()) => set(merged, &section, &name, value),
                Err(message) => problems.push(Problem::new(key, message)),
            }
        }
    }
}

/// Returns warnings on variables that look like ours and are not: they may belong to another program.
fn merge_environment(
    merged: &mut Table,
    defaults: &Table,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut unknown: Vec<&str> = environment.0.keys().map(String::as_str).collect();
    unknown.retain(|name| !SECRET_NAMES.contains(name));
    for (name, value) in &environment.0 {
        if value.is_none() {
            problems.push(Problem::new(name, "is not UTF-8"));
        }
    }
    for_each_key(defaults, |section, name, default| {
        let key = format!("{section}.{name}");
        let variable = environment_name(&key);
        unknown.retain(|unknown| *unknown != variable);
        let Some(text) = environment.text(&variable) else {
            return;
        };
        match parse_text(text, default).and_then(|value| check_value(&key, &value, default).map(|()| value)) {
            Ok(value) => set(merged, section, name, value),
            Err(message) => problems.push(Problem::new(format!("{variable} ({key})"), message)),
        }
    });
    unknown
        .into_iter()
        .map(|name| format!("{name}: no setting has this name; it is ignored"))
        .collect()
}

fn set(merged: &mut Table, section: &str, name: &str, value: Value) {
    if let Some(Value::Table(content)) = merged.get_mut(section) {
        content.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = include_str!("../../config.toml");

    fn load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()), &Environment::from_pairs(pairs.iter().copied()))
            .map_err(|Problems(found)| found.into_iter().map(|p| format!("{}: {}", p.key, p.message)).collect())
    }

    #[test]
    fn config_toml_shows_every_key_with_its_default_and_its_variable() {
        let shown: Table = SHOWN.parse().unwrap();
        let defaults = Table::try_from(Config::default()).unwrap();
        assert_eq!(shown, defaults);
        for_each_key(&defaults, |section, name, _| {
            let variable = environment_name(&format!("{section}.{name}"));
            assert!(SHOWN.contains(&format!("({variable})")), "{variable} is not explained");
        });
        assert_eq!(Table::try_from(load(SHOWN, &[]).unwrap()).unwrap(), defaults);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "[server]\nport = 9000\nworkers = 3\n[log]\nformat = \"json\"\n";
        let config = load(
            text,
            &[("AUTH_PORT", "9001"), ("AUTH_PERMISSIONS_REJECT_PAST_EXPIRY", "true")],
        )
        .unwrap();
        assert_eq!((config.server.port, config.server.workers), (9001, 3));
        assert!(config.permissions.reject_past_expiry);
        let config = load("", &[("AUTH_MAX_DELEGATION_DEPTH", "5"), ("AUTH_DATA_DIR", "/tmp/x")]).unwrap();
        assert_eq!(config.tokens.max_delegation_depth, 5);
        assert_eq!(config.storage.data_dir, Path::new("/tmp/x"));
    }

    #[test]
    fn unknown_keys_and_wrong_kinds_are_refused_by_their_path_all_at_once() {
        let text = "top = 1\n[server]\nprot = 1\nhost = 7\nworkers = \"4\"\n[serve]\nport = 1\n";
        let mut told = load(text, &[]).unwrap_err();
        told.sort();
        assert_eq!(
            told,
            [
                "serve: is not a section or key of the configuration",
                "server.host: must be text, not a whole number",
                "server.prot: is not a key of the configuration",
                "server.workers: must be a whole number, not text",
                "top: is not a section or key of the configuration",
            ]
        );
    }

    #[test]
    fn out_of_range_values_name_the_key_and_the_range() {
        let told = load("[tokens]\ndefault_app_ttl_days = 0\n", &[("AUTH_PORT", "65536")]).unwrap_err();
        assert_eq!(
            told,
            [
                "tokens.default_app_ttl_days: must be between 1 and 3650, not 0",
                "AUTH_PORT (server.port): must be between 0 and 65535, not 65536",
            ]
        );
        assert_eq!(
            load("[log]\nformat = \"xml\"", &[]).unwrap_err(),
            ["log.format: must be one of text, json"]
        );
        assert_eq!(
            load("", &[("AUTH_PORT", "")]).unwrap_err(),
            ["AUTH_PORT (server.port): must be a whole number"]
        );
    }

    #[test]
    fn an_empty_admin_token_is_refused_and_never_open_mode() {
        let told = load("", &[("AUTH_ADMIN_TOKEN", "")]).unwrap_err();
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("AUTH_ADMIN_TOKEN"), "{told:?}");
    }

    #[test]
    fn a_variable_that_is_no_setting_is_a_warning_without_its_value() {
        let config = load("", &[("AUTH_MAX_DELEGATION_DEPHT", "hush")]).unwrap();
        assert_eq!(config.warnings.len(), 1);
        assert!(config.warnings[0].contains("AUTH_MAX_DELEGATION_DEPHT") && !config.warnings[0].contains("hush"));
    }

    #[test]
    fn a_broken_file_is_told_by_its_line_without_quoting_it() {
        let told = load("[server]\nport = hush-hush\n", &[]).unwrap_err();
        assert!(told[0].contains("line 2") && !told[0].contains("hush"), "{told:?}");
    }

    #[test]
    fn a_named_file_must_exist() {
        let missing = Path::new("/nonexistent/countersign.toml");
        let Problems(found) = Config::load(Some(missing), &Environment::default()).unwrap_err();
        assert_eq!(found[0].key, missing.display().to_string());
    }
}
