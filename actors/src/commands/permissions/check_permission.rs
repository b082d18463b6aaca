//! Asking whether a user may do something.

use serde_json::{Value, json};

use super::{Access, Command, Decided, DecisionAudit, Moment};
use crate::clock::UnixMillis;
use crate::permissions::{
    Action, AdminId, Effect, OverrideId, Path, PathPattern, Question, RoleId, Source, Verdict, audit,
};
use crate::tenant::audit::AuditDraft;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// One question.
#[derive(Clone, Debug)]
pub struct Check {
    /// Who wants to.
    pub admin_id: AdminId,
    /// What it is about.
    pub path: Path,
    /// What is to be done to that.
    pub action: Action,
    /// Which one; kept in the audit, it decides nothing.
    pub resource: Option<Box<str>>,
}

/// Asks one question. What is answered is what is in force at that moment.
#[derive(Clone, Debug)]
pub struct CheckPermission {
    /// The question.
    pub check: Check,
    /// Whether to say what the answer rests on.
    pub explain: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckAnswer {
    /// Whether the user may.
    pub allowed: bool,
    /// What decided.
    pub source: Source,
    /// What the answer rests on, if that was asked.
    pub explanation: Option<Explanation>,
}

/// The layer that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// An override.
    Override,
    /// A role.
    Role,
    /// None.
    None,
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The layer that decided.
    pub layer: Layer,
    /// The override, if one decided.
    pub override_id: Option<OverrideId>,
    /// Its effect.
    pub effect: Option<Effect>,
    /// Its reason.
    pub reason: Option<Box<str>>,
    /// Its expiry, if it has one.
    pub expires_at: Option<UnixMillis>,
    /// The path of the override or capability that covered the question.
    pub matched_path: Option<PathPattern>,
    /// The role, if one decided.
    pub role_id: Option<RoleId>,
}

impl Explanation {
    fn of(verdict: &Verdict<'_>) -> Self {
        let nothing = Self {
            layer: Layer::None,
            override_id: None,
            effect: None,
            reason: None,
            expires_at: None,
            matched_path: None,
            role_id: None,
        };
        match verdict {
            Verdict::Denied(rule) | Verdict::Granted(rule) => Self {
                layer: Layer::Override,
                override_id: Some(rule.id),
                effect: Some(rule.effect),
                reason: Some(rule.reason.as_str().into()),
                expires_at: rule.expiry.moment(),
                matched_path: Some(rule.path.clone()),
                ..nothing
            },
            Verdict::Capable(role, path) => Self {
                layer: Layer::Role,
                matched_path: Some((*path).clone()),
                role_id: Some(role.id),
                ..nothing
            },
            Verdict::Nothing => nothing,
        }
    }
}

impl Check {
    /// The answer, and what the audit may say of it.
    pub(super) fn answer(
        &self,
        state: &State,
        moment: &Moment<'_>,
        explain: bool,
    ) -> (CheckAnswer, Option<AuditDraft>) {
        let question = Question {
            path: Some(&self.path),
            action: Some(&self.action),
        };
        let verdict = state.permissions.evaluate(&self.admin_id, &question, moment.now);
        let answer = CheckAnswer {
            allowed: verdict.allowed(),
            source: verdict.source(),
            explanation: explain.then(|| Explanation::of(&verdict)),
        };
        let is_audited = match moment.rules.permissions.audit_decisions {
            DecisionAudit::All => true,
            DecisionAudit::Denied => !answer.allowed,
            DecisionAudit::None => false,
        };
        let note = is_audited.then(|| self.note(&verdict));
        (answer, note)
    }

    fn note(&self, verdict: &Verdict<'_>) -> AuditDraft {
        let word = if verdict.allowed() {
            audit::PERMISSION_ALLOWED
        } else {
            audit::PERMISSION_DENIED
        };
        let mut after = json!({
            "adminId": self.admin_id,
            "path": self.path.as_str(),
            "action": self.action.as_str(),
            "allowed": verdict.allowed(),
            "source": verdict.source().as_str(),
        });
        if let Value::Object(members) = &mut after {
            if let Some(resource) = &self.resource {
                members.insert("resource".to_owned(), Value::from(&**resource));
            }
            if let Verdict::Denied(rule) | Verdict::Granted(rule) = verdict {
                members.insert("overrideId".to_owned(), Value::from(rule.id.to_string()));
            }
        }
        AuditDraft {
            after: Some(after),
            ..AuditDraft::new(word, &self.admin_id)
        }
    }
}

impl Command for CheckPermission {
    type Reply = CheckAnswer;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsCheck)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<CheckAnswer>, Rejection> {
        let (answer, note) = self.check.answer(state, moment, self.explain);
        Ok(Decided::answer(answer).noted(note))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, capability, check, role_id, rule, rule_until};
    use super::super::{AssignRoles, CreateRole, PermissionRules};
    use super::*;

    fn with_role(capabilities: &[&str]) -> Given {
        let mut given = Given::nothing();
        let id = role_id();
        let capabilities = capabilities.iter().map(|text| capability(text)).collect();
        given
            .when(CreateRole {
                id,
                name: "clerk".into(),
                description: None,
                capabilities,
            })
            .unwrap();
        let admin_id = super::super::tests::admin("user");
        given
            .when(AssignRoles {
                admin_id,
                role_ids: vec![id],
            })
            .unwrap();
        given
    }

    #[test]
    fn deny_beats_grant_and_grant_beats_roles() {
        let mut given = with_role(&["billing:read"]);
        assert_eq!(given.check("user", "billing", "read").source, Source::Role);
        assert_eq!(given.check("user", "billing", "delete").source, Source::None);
        given.when(rule("user", Effect::Grant, "billing:delete")).unwrap();
        assert_eq!(given.check("user", "billing", "delete").source, Source::OverrideGrant);
        given.when(rule("user", Effect::Deny, "*:*")).unwrap();
        for action in ["read", "delete"] {
            let answer = given.check("user", "billing", action);
            assert_eq!(
                (answer.allowed, answer.source),
                (false, Source::OverrideDeny),
                "a wildcard beats the exact"
            );
        }
        assert_eq!(
            given.check("other", "billing", "read").source,
            Source::None,
            "another user"
        );
    }

    #[test]
    fn it_ends_with_the_clock_alone() {
        let mut given = Given::nothing();
        given
            .when(rule_until("user", Effect::Grant, "billing:delete", 10))
            .unwrap();
        given.advance(9);
        assert!(given.check("user", "billing", "delete").allowed);
        given.advance(1);
        assert!(!given.check("user", "billing", "delete").allowed, "at the very moment");
    }

    #[test]
    fn the_explanation_names_the_override_or_the_role() {
        let mut given = with_role(&["orders.*:read"]);
        let why = given.check("user", "orders.eu", "read").explanation.unwrap();
        assert_eq!((why.layer, why.override_id), (Layer::Role, None));
        assert_eq!(why.matched_path.unwrap().as_str(), "orders.*");
        let wide = given.when(rule("user", Effect::Deny, "orders.*:*")).unwrap();
        let why = given.check("user", "orders.eu", "read").explanation.unwrap();
        assert_eq!(
            (why.layer, why.override_id),
            (Layer::Override, Some(wide.answer.rule.id))
        );
        assert_eq!(why.effect, Some(Effect::Deny));
        let why = given.check("user", "x", "read").explanation.unwrap();
        assert_eq!((why.layer, why.matched_path), (Layer::None, None));
    }

    #[test]
    fn the_audit_is_told_of_what_the_operator_wants() {
        for (setting, denied, allowed) in [
            (DecisionAudit::All, 1, 1),
            (DecisionAudit::Denied, 1, 0),
            (DecisionAudit::None, 0, 0),
        ] {
            let mut given = Given::with_rules(PermissionRules {
                audit_decisions: setting,
                ..PermissionRules::default()
            });
            let ask = || CheckPermission {
                check: check("user", "a", "b"),
                explain: false,
            };
            assert_eq!(given.decide(ask()).unwrap().notes.len(), denied, "{setting:?}");
            given.when(rule("user", Effect::Grant, "a:b")).unwrap();
            let decided = given.decide(ask()).unwrap();
            assert_eq!(decided.notes.len(), allowed, "{setting:?}");
            assert!(decided.events.is_empty() && decided.reply.explanation.is_none());
        }
    }
}
