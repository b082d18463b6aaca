//! The six kinds of token: their names, prefixes, lifetimes and who may be whose parent.

use super::words::words;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What every prefix begins with.
const BRAND: &str = "qt_";

words! {
    /// The kind of a token: the `typ` of its claims, and its prefix.
    pub enum TokenKind {
        /// A customer's root credential for the management plane.
        App = "app",
        /// For one environment of an application.
        Bearer = "bearer",
        /// For one agent, with a policy.
        Agent = "agent",
        /// For what an agent delegates to, with a narrower policy.
        Subagent = "subagent",
        /// For a bounded number of events under an agent or subagent.
        Session = "session",
        /// For one human decision on one flagged event.
        Override = "override",
    }
}

impl TokenKind {
    /// What stands before the compact JWS.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::App => "qt_app_",
            Self::Bearer => "qt_bearer_",
            Self::Agent => "qt_agent_",
            Self::Subagent => "qt_subagent_",
            Self::Session => "qt_session_",
            Self::Override => "qt_override_",
        }
    }

    /// The kind that a token's prefix names, and the rest of the token. Nothing is decoded.
    pub fn from_prefix(token: &str) -> Option<(Self, &str)> {
        let (word, rest) = token.strip_prefix(BRAND)?.split_once('_')?;
        Some((Self::parse(word)?, rest))
    }

    /// How long a token lives when nothing else was asked for, in seconds.
    pub const fn default_ttl_seconds(self) -> u64 {
        match self {
            Self::App => 365 * DAY,
            Self::Bearer => 90 * DAY,
            Self::Agent => 24 * HOUR,
            Self::Subagent => 4 * HOUR,
            Self::Session => 60 * MINUTE,
            Self::Override => 5 * MINUTE,
        }
    }

    /// How long a token may live at most, in seconds.
    pub const fn max_ttl_seconds(self) -> u64 {
        match self {
            Self::App => 3_650 * DAY,
            Self::Bearer => 365 * DAY,
            Self::Agent => 720 * HOUR,
            Self::Subagent => 168 * HOUR,
            Self::Session | Self::Override => 1_440 * MINUTE,
        }
    }

    /// The unit in which a request gives this kind's lifetime (`ttl_days`, `ttl_hours`, `ttl_minutes`), in seconds.
    pub const fn ttl_unit_seconds(self) -> u64 {
        match self {
            Self::App | Self::Bearer => DAY,
            Self::Agent | Self::Subagent => HOUR,
            Self::Session | Self::Override => MINUTE,
        }
    }

    /// The field of a request that gives this kind's lifetime, in its unit.
    pub const fn ttl_field(self) -> &'static str {
        match self {
            Self::App | Self::Bearer => "ttl_days",
            Self::Agent | Self::Subagent => "ttl_hours",
            Self::Session | Self::Override => "ttl_minutes",
        }
    }

    /// The kinds a token of this kind may be minted under. An app token has none; an override may also be minted without.
    pub const fn parents(self) -> &'static [Self] {
        match self {
            Self::App => &[],
            Self::Bearer => &[Self::App],
            Self::Agent => &[Self::Bearer],
            Self::Subagent | Self::Session => &[Self::Agent, Self::Subagent],
            Self::Override => &[Self::Agent, Self::Subagent, Self::Session],
        }
    }

    /// Whether a token of this kind may be minted under one of kind `parent`.
    pub fn may_descend_from(self, parent: Self) -> bool {
        self.parents().contains(&parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_names_the_kind() {
        for kind in TokenKind::ALL {
            assert_eq!(kind.prefix(), format!("qt_{kind}_"));
            let token = format!("{}a_b.c.d", kind.prefix());
            assert_eq!(TokenKind::from_prefix(&token), Some((*kind, "a_b.c.d")));
        }
        for other in [
            "",
            "qt_",
            "qt_agent",
            "qt_Agent_x",
            "qt_root_x",
            "agent_x",
            " qt_agent_x",
            "qt__agent_x",
        ] {
            assert_eq!(TokenKind::from_prefix(other), None, "{other:?}");
        }
    }

    #[test]
    fn lifetimes_are_those_of_the_contract() {
        let in_units: Vec<_> = TokenKind::ALL
            .iter()
            .map(|kind| {
                let unit = kind.ttl_unit_seconds();
                (
                    kind.as_str(),
                    kind.default_ttl_seconds() / unit,
                    kind.max_ttl_seconds() / unit,
                )
            })
            .collect();
        assert_eq!(
            in_units,
            [
                ("app", 365, 3_650),
                ("bearer", 90, 365),
                ("agent", 24, 720),
                ("subagent", 4, 168),
                ("session", 60, 1_440),
                ("override", 5, 1_440)
            ]
        );
    }

    #[test]
    fn an_app_token_is_never_an_overrides_parent() {
        assert!(!TokenKind::Override.may_descend_from(TokenKind::App));
        assert!(!TokenKind::Override.may_descend_from(TokenKind::Bearer));
        assert!(TokenKind::Override.may_descend_from(TokenKind::Session));
        assert!(TokenKind::Subagent.may_descend_from(TokenKind::Subagent));
        assert!(
            TokenKind::ALL
                .iter()
                .all(|parent| !TokenKind::App.may_descend_from(*parent))
        );
    }

    #[test]
    fn a_kind_is_its_word_in_json_and_nothing_else() {
        assert_eq!(serde_json::to_string(&TokenKind::Subagent).unwrap(), "\"subagent\"");
        assert_eq!(
            serde_json::from_str::<TokenKind>("\"session\"").unwrap(),
            TokenKind::Session
        );
        assert!(serde_json::from_str::<TokenKind>("{\"session\":null}").is_err());
        assert!(serde_json::from_str::<TokenKind>("\"Session\"").is_err());
    }
}
