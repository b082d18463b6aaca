//! The secrets: where they come from and what they must look like.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Config, Environment, Problem, Secret};

/// Shortest admin token, and shortest token for metrics.
pub const ADMIN_TOKEN_CHARS_MIN: usize = 32;
/// Shortest master key.
pub const MASTER_KEY_BYTES_MIN: usize = 32;
/// Longest secret: more is surely the wrong file.
pub const SECRET_BYTES_MAX: usize = 8_192;

/// The secrets that the process was started with.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Seals private keys at rest; without one the embedded store makes its own.
    pub master_key: Option<Secret>,
    /// The admin credential; without one the service is open to local processes.
    pub admin_token: Option<Secret>,
    /// The credential of whoever may read the metrics and nothing else.
    pub metrics_token: Option<Secret>,
    /// What commands present to the service that they call.
    pub client_credential: Option<Secret>,
}

impl Secrets {
    /// Reads the secrets; what cannot be read is a problem, what others can read is a warning.
    pub(super) fn read(
        config: &Config,
        environment: &Environment,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut read = |variable: &str, key: &str, file: Option<&Path>| {
            let found = match (environment.text(variable), file) {
                // The environment wins; a text that is not UTF-8 has been reported already.
                (Some(text), _) => return Some(Secret::new(text.as_bytes().to_vec())),
                (None, Some(path)) => read_secret(path, key, warnings),
                (None, None) => return None,
            };
            found.map_err(|message| problems.push(Problem::new(key, message))).ok()
        };
        Self {
            master_key: read(
                "AUTH_MASTER_KEY",
                "auth.master_key_file",
                config.auth.master_key_file.as_deref(),
            ),
            admin_token: read(
                "AUTH_ADMIN_TOKEN",
                "auth.admin_token_file",
                config.auth.admin_token_file.as_deref(),
            ),
            client_credential: read(
                "AUTH_CLIENT_CREDENTIAL",
                "client.credential_file",
                config.client.credential_file.as_deref(),
            ),
            metrics_token: read(
                "AUTH_METRICS_TOKEN",
                "metrics.token_file",
                config.metrics.token_file.as_deref(),
            ),
        }
    }

    /// Judges the secrets without saying anything about their content.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self
            .master_key
            .as_ref()
            .is_some_and(|key| key.len() < MASTER_KEY_BYTES_MIN)
        {
            let message = format!("the master key must have at least {MASTER_KEY_BYTES_MIN} bytes");
            problems.push(Problem::new("AUTH_MASTER_KEY or auth.master_key_file", message));
        }
        if self
            .client_credential
            .as_ref()
            .is_some_and(|credential| !credential.fits_a_header())
        {
            let message = "the credential must be visible ASCII without spaces";
            problems.push(Problem::new(
                "AUTH_CLIENT_CREDENTIAL or client.credential_file",
                message,
            ));
        }
        let tokens = [
            ("admin", "AUTH_ADMIN_TOKEN or auth.admin_token_file", &self.admin_token),
            (
                "metrics",
                "AUTH_METRICS_TOKEN or metrics.token_file",
                &self.metrics_token,
            ),
        ];
        for (name, key, token) in tokens {
            if let Some(message) = token.as_ref().and_then(|token| token_fault(name, token)) {
                problems.push(Problem::new(key, message));
            }
        }
        if let (Some(admin), Some(metrics)) = (&self.admin_token, &self.metrics_token)
            && admin.matches(metrics.expose())
        {
            let message = "must not be the admin token: who reads metrics should not be able to mint";
            problems.push(Problem::new("AUTH_METRICS_TOKEN or metrics.token_file", message));
        }
    }
}

/// Why this can be no token that somebody presents.
fn token_fault(name: &str, token: &Secret) -> Option<String> {
    if token.len() < ADMIN_TOKEN_CHARS_MIN {
        Some(format!(
            "the {name} token must have at least {ADMIN_TOKEN_CHARS_MIN} characters"
        ))
    } else if !token.fits_a_header() {
        Some(format!("the {name} token must be visible ASCII without spaces"))
    } else {
        None
    }
}

/// Reads a secret from a file; what others can read is a warning that names `key`.
///
/// # Errors
/// A file that cannot be read, or is too large to be a secret.
pub fn read_secret(path: &Path, key: &str, warnings: &mut Vec<String>) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("`{}` is not a file", path.display()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        warnings.push(format!(
            "{key}: `{}` can be read by others; mode 0600 is enough",
            path.display()
        ));
    }
    // One buffer of the final size: a growing one would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    file.take(SECRET_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("`{}` has more than {SECRET_BYTES_MAX} bytes", path.display()));
    }
    Ok(Secret::of_text_file(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(secrets: &Secrets) -> Vec<Problem> {
        let mut problems = Vec::new();
        secrets.check(&mut problems);
        problems
    }

    fn with_admin_token_file(path: &Path) -> Config {
        let mut config = Config::default();
        config.auth.admin_token_file = Some(path.to_owned());
        config
    }

    #[test]
    fn short_secrets_are_refused_without_being_shown() {
        let secrets = Secrets {
            master_key: Some(Secret::new(vec![b'k'; 31])),
            admin_token: Some(Secret::new(b"short-admin-token".to_vec())),
            metrics_token: Some(Secret::new(b"short-metrics-token".to_vec())),
            ..Secrets::default()
        };
        let told = problems(&secrets);
        assert_eq!(told.len(), 3);
        assert!(!format!("{told:?}{secrets:?}").contains("short-"));
    }

    #[test]
    fn an_admin_token_that_no_header_can_carry_is_refused() {
        for bad in [
            "with a space in the middle of the token",
            "ключ-ключ-ключ-ключ-ключ-ключ-ключ",
        ] {
            let admin_token = Some(Secret::new(bad.as_bytes().to_vec()));
            assert_eq!(
                problems(&Secrets {
                    admin_token,
                    ..Secrets::default()
                })
                .len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn the_token_for_metrics_is_not_the_admin_token() {
        let token = || Some(Secret::new(vec![b'x'; ADMIN_TOKEN_CHARS_MIN]));
        let mut secrets = Secrets {
            metrics_token: token(),
            ..Secrets::default()
        };
        assert!(problems(&secrets).is_empty());
        secrets.admin_token = token();
        assert_eq!(problems(&secrets)[0].key, "AUTH_METRICS_TOKEN or metrics.token_file");
    }

    #[test]
    fn the_environment_wins_over_a_file_and_a_file_loses_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-the-file\r\n").unwrap();
        let config = with_admin_token_file(file.path());
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let read = Secrets::read(&config, &Environment::default(), &mut problems, &mut warnings);
        assert!(read.admin_token.unwrap().matches(b"from-the-file"));
        let environment = Environment::from_pairs([("AUTH_ADMIN_TOKEN", "from-the-environment")]);
        let read = Secrets::read(&config, &environment, &mut problems, &mut warnings);
        assert!(read.admin_token.unwrap().matches(b"from-the-environment"));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_a_problem_and_never_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let huge = directory.path().join("huge");
        std::fs::write(&huge, vec![b'x'; SECRET_BYTES_MAX + 1]).unwrap();
        for path in [directory.path().join("missing"), directory.path().to_owned(), huge] {
            let config = with_admin_token_file(&path);
            let (mut problems, mut warnings) = (Vec::new(), Vec::new());
            Secrets::read(&config, &Environment::default(), &mut problems, &mut warnings);
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].key, "auth.admin_token_file");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_a_warning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut warnings = Vec::new();
        read_secret(file.path(), "auth.admin_token_file", &mut warnings).unwrap();
        assert_eq!(warnings.len(), 1);
    }
}
