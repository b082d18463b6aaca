//! Whom a client certificate stands for: the operator, if one of its names is listed.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Characters of a listed name.
const NAME_CHARS_MAX: usize = 255;

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// The subject's common name, if it has only one.
    Common(String),
    /// A DNS name (RFC 5280 section 4.2.1.6), in lower case.
    Dns(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
    /// A mail address.
    Email(String),
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.contains(char::is_control);
        let name = fits.then(|| name.to_owned())?;
        match kind {
            "cn" => Some(Self::Common(name)),
            // A wildcard is a name for many, and the operator is one.
            "dns" => (!name.contains('*')).then(|| Self::Dns(name.to_ascii_lowercase())),
            "uri" => Some(Self::Uri(name)),
            "email" => Some(Self::Email(name)),
            _ => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Common(name) => ("cn", name),
            Self::Dns(name) => ("dns", name),
            Self::Uri(name) => ("uri", name),
            Self::Email(name) => ("email", name),
        };
        write!(f, "{kind}:{name}")
    }
}

/// The names that are listed.
#[derive(Clone, Debug, Default)]
pub struct Operators(Arc<[Name]>);

/// An operator, known by a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The listed name that the certificate has, such as `dns:ops.example.org`.
    pub name: Arc<str>,
    /// Until when the certificate is valid, in seconds since 1970: a connection may outlive it.
    pub valid_until: i64,
}

impl Operators {
    /// Reads the list.
    ///
    /// # Errors
    /// What is wrong with the first entry that is none.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let names = entries.iter().map(|entry| {
            let shown: String = entry.chars().take(NAME_CHARS_MAX).collect();
            Name::parse(entry)
                .ok_or_else(|| format!("`{shown}` must be cn:, dns:, uri: or email: and one name, without wildcard"))
        });
        names.collect::<Result<Vec<_>, _>>().map(|names| Self(names.into()))
    }

    /// The operator that a certificate stands for. That it comes from a trusted root was verified in the handshake.
    pub fn of(&self, certificate: &CertificateDer<'_>) -> Option<Operator> {
        let (rest, certificate) = parse_x509_certificate(certificate).ok()?;
        let names = names(&certificate);
        let listed = self
            .0
            .iter()
            .find(|listed| names.contains(listed))
            .filter(|_| rest.is_empty())?;
        Some(Operator {
            name: listed.to_string().into(),
            valid_until: certificate.validity().not_after.timestamp(),
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Name> {
    let mut names = Vec::new();
    let mut common = certificate.subject().iter_common_name();
    // Of several, readers differ on which one counts.
    if let (Some(only), None) = (common.next(), common.next()) {
        names.extend(only.as_str().ok().map(|name| Name::Common(name.to_owned())));
    }
    // An extension that stands there twice is an error, and then none of it counts.
    let alternative = certificate.subject_alternative_name().ok().flatten();
    for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
        names.extend(match name {
            GeneralName::DNSName(name) => Some(Name::Dns(name.to_ascii_lowercase())),
            GeneralName::URI(name) => Some(Name::Uri((*name).to_owned())),
            GeneralName::RFC822Name(name) => Some(Name::Email((*name).to_owned())),
            _ => None,
        });
    }
    names
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn operators(entries: &[&str]) -> Operators {
        Operators::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_stands_for_the_operator_by_each_kind_of_name() {
        let listed = operators(&[
            "cn:Operator",
            "dns:Ops.example.org",
            "uri:spiffe://example.org/ops",
            "email:ops@example.org",
        ]);
        let name = |change: fn(&mut CertificateParams)| {
            listed
                .of(&certificate(change))
                .map(|operator| operator.name.to_string())
        };
        assert_eq!(
            name(|params| params.distinguished_name.push(DnType::CommonName, "Operator")).unwrap(),
            "cn:Operator"
        );
        let san = |san: SanType| move |params: &mut CertificateParams| params.subject_alt_names.push(san);
        for (alternative, expected) in [
            (
                SanType::DnsName("OPS.example.org".try_into().unwrap()),
                "dns:ops.example.org",
            ),
            (
                SanType::URI("spiffe://example.org/ops".try_into().unwrap()),
                "uri:spiffe://example.org/ops",
            ),
            (
                SanType::Rfc822Name("ops@example.org".try_into().unwrap()),
                "email:ops@example.org",
            ),
        ] {
            let found = listed.of(&certificate(san(alternative))).unwrap();
            assert_eq!(&*found.name, expected);
            assert!(found.valid_until > 0);
        }
        for other in ["ops.example.com", "x.ops.example.org", "*.example.org", "Operator"] {
            assert!(
                listed
                    .of(&certificate(san(SanType::DnsName(other.try_into().unwrap()))))
                    .is_none(),
                "{other}"
            );
        }
        assert!(name(|_| ()).is_none());
        assert!(operators(&[]).of(&certificate(|_| ())).is_none());
        assert!(listed.of(&CertificateDer::from(vec![0x30, 0x00])).is_none());
    }

    #[test]
    fn of_two_common_names_none_counts_and_a_dns_name_is_no_common_name() {
        let listed = operators(&["cn:Operator"]);
        let two = certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, "Operator");
            params
                .distinguished_name
                .push(DnType::CustomDnType(vec![2, 5, 4, 3]), "Guest");
        });
        assert!(listed.of(&two).is_none());
        let name = SanType::DnsName("Operator".try_into().unwrap());
        assert!(
            listed
                .of(&certificate(|params| params.subject_alt_names.push(name)))
                .is_none()
        );
    }

    #[test]
    fn an_entry_says_of_which_kind_it_is() {
        for entry in [
            "ops.example.org",
            "dns:",
            "dns:*.example.org",
            "ip:127.0.0.1",
            "",
            ":x",
            "cn:a\nb",
        ] {
            assert!(Operators::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
