//! `countersign check-config`

use std::error::Error;
use std::fmt::Write;

use super::output::Output;
use crate::config::{Config, Exposure, Secret};
use crate::server::tls::Tls;

/// Prints the settings in force as TOML. Loading has refused them already if anything is wrong; certificates are read here.
pub(super) fn run(config: &Config, output: Output) -> Result<(), Box<dyn Error>> {
    Tls::load(&config.tls)?;
    let mut answer = serde_json::to_value(config)?;
    if let Some(members) = answer.as_object_mut() {
        members.insert(
            "admin_token_given".to_owned(),
            config.secrets.admin_token.is_some().into(),
        );
        members.insert(
            "master_key_given".to_owned(),
            config.secrets.master_key.is_some().into(),
        );
        let credential = config.secrets.client_credential.is_some();
        members.insert("client_credential_given".to_owned(), credential.into());
        members.insert("access".to_owned(), access(config).into());
        members.insert("warnings".to_owned(), config.warnings.clone().into());
    }
    output.answer(&answer, describe(config)?)?;
    Ok(())
}

fn describe(config: &Config) -> Result<String, Box<dyn Error>> {
    let given = |secret: &Option<Secret>| if secret.is_some() { "given (withheld)" } else { "none" };
    let mut text = toml::to_string(config)?;
    writeln!(text, "\n# admin token: {}", given(&config.secrets.admin_token))?;
    writeln!(text, "# metrics token: {}", given(&config.secrets.metrics_token))?;
    writeln!(
        text,
        "# master key: {}{}",
        given(&config.secrets.master_key),
        own_key(config)
    )?;
    writeln!(
        text,
        "# credential for calling the service: {}",
        given(&config.secrets.client_credential)
    )?;
    write!(text, "# access: {}", access(config))?;
    for warning in &config.warnings {
        write!(text, "\n# warning: {warning}")?;
    }
    Ok(text)
}

fn access(config: &Config) -> &'static str {
    match config.exposure() {
        Exposure::Open => "any local process may call",
        Exposure::Credentialed => "calls need a credential",
        Exposure::UnauthenticatedNetwork => "whoever reaches the address may call",
    }
}

/// What stands in for a master key that is not given.
fn own_key(config: &Config) -> String {
    let path = config.storage.data_dir.join("master.key");
    match config.secrets.master_key {
        Some(_) => String::new(),
        None => format!("; `{}` is used, and made on a first start", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn secrets_are_withheld_and_the_rest_is_a_valid_file() {
        let token = "an-admin-token-that-nobody-may-see";
        let admin_token = Some(Secret::new(token.as_bytes().to_vec()));
        let config = Config {
            secrets: Secrets {
                admin_token,
                ..Secrets::default()
            },
            ..Config::default()
        };
        let text = describe(&config).unwrap();
        assert!(!text.contains(token));
        assert!(text.contains("# admin token: given (withheld)") && text.contains("# master key: none"));
        assert_eq!(
            text.parse::<toml::Table>().unwrap(),
            toml::Table::try_from(Config::default()).unwrap()
        );
    }
}
