//! A command line that is wrong, explained without repeating what may be a secret.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};

use super::EXIT_USAGE;

/// As short as an admin token may be; no option, command or value of a fixed set is as long.
const SUSPICIOUS_CHARS_MIN: usize = 32;
const UUID_CHARS: usize = 36;

/// Wrong values, and arguments that do not belong together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// Prints help, the version, or what is wrong.
pub(super) fn explain(mut error: clap::Error) -> ExitCode {
    withhold(&mut error);
    // Nothing can be done about a closed output.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(EXIT_USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

/// A token that stands where an identifier should is repeated by clap as the value at fault.
fn withhold(error: &mut clap::Error) {
    let mut withheld = false;
    for kind in [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
    ] {
        let shown = match error.get(kind) {
            Some(ContextValue::String(value)) if may_be_secret(value) => "(withheld: it may be a secret)".to_owned(),
            _ => continue,
        };
        error.insert(kind, ContextValue::String(shown));
        withheld = true;
    }
    if withheld {
        // Suggestions quote the value once more.
        error.remove(ContextKind::Suggested);
    }
}

fn may_be_secret(value: &str) -> bool {
    let is_like_uuid = value.len() == UUID_CHARS && value.matches('-').count() == 4;
    value.starts_with("qt_") || (value.chars().count() >= SUSPICIOUS_CHARS_MIN && !is_like_uuid)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Arguments;
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let admin = "an-admin-token-of-over-thirty-two-characters";
        for secret in [
            "qt_agent_eyJ.eyJ.sig",
            admin,
            "--an-admin-token-of-over-thirty-two-characters",
        ] {
            for arguments in [
                &["countersign", secret][..],
                &["countersign", "lineage", secret],
                &["countersign", "revoke", "--customer", secret],
                &["countersign", "serve", secret],
                &["countersign", "mint", secret],
                &["countersign", "mint", "agent", "--ttl-hours", secret],
                &["countersign", "completions", secret],
            ] {
                let mut error = Arguments::try_parse_from(arguments).unwrap_err();
                withhold(&mut error);
                let told = error.render().to_string();
                assert!(!told.contains(secret.trim_start_matches('-')), "{told}");
            }
        }
        let mut error = Arguments::try_parse_from(["countersign", "lineage", "nonsense"]).unwrap_err();
        withhold(&mut error);
        assert!(error.render().to_string().contains("nonsense"));
    }
}
