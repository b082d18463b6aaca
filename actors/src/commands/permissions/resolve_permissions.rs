//! All that a user may do, for a client that checks by itself for a while.

use super::{Access, Command, Decided, Moment, OverrideView};
use crate::limits::RESOLUTION_SECONDS_MAX;
use crate::permissions::{AdminId, Capability, Effect, Override, RoleId, Subject};
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Asks for all that is in force for a user.
#[derive(Clone, Debug)]
pub struct ResolvePermissions {
    /// The user.
    pub admin_id: AdminId,
}

/// All that is in force for a user. A client applies `denied` first, then `capabilities`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The user's roles.
    pub roles: Vec<RoleId>,
    /// What roles and overrides permit, without what an override denies as a whole.
    pub capabilities: Vec<Capability>,
    /// What overrides deny.
    pub denied: Vec<Capability>,
    /// The overrides in force, in the order of creation.
    pub overrides: Vec<OverrideView>,
    /// Seconds for which the answer may be used: none of the overrides is over before.
    pub ttl_seconds: i64,
}

impl Command for ResolvePermissions {
    type Reply = Resolution;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsCheck)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Resolution>, Rejection> {
        let now = moment.now;
        let subject = state.permissions.subject(self.admin_id.as_str());
        let mut live: Vec<_> = subject
            .map(|subject| subject.live(now))
            .unwrap_or_default()
            .iter()
            .collect();
        // The first of them is over first.
        let next_expiry = live.first().and_then(|rule| rule.expiry.moment());
        let until_expiry = next_expiry.map(|moment| moment.get().saturating_sub(now.get()).div_euclid(1_000));
        live.retain(|rule| !rule.suspended);
        live.sort_unstable_by_key(|rule| rule.sequence);
        let of_effect = |effect| {
            let rules = live.iter().filter(move |rule| rule.effect == effect);
            rules.map(|rule| capability(rule)).collect::<Vec<_>>()
        };
        let denied = unique(of_effect(Effect::Deny));
        let roles = state.permissions.roles_of(subject);
        let permitted = roles.flat_map(|role| role.capabilities.list().iter().cloned());
        let permitted = permitted.chain(of_effect(Effect::Grant)).collect();
        let mut capabilities = unique(permitted);
        capabilities.retain(|capability| !denied.iter().any(|denied| denied.includes(capability)));
        Ok(Decided::answer(Resolution {
            roles: subject.map(Subject::roles).unwrap_or_default().to_vec(),
            capabilities,
            denied,
            overrides: live.iter().map(|rule| OverrideView::of(rule, now)).collect(),
            ttl_seconds: until_expiry.map_or(RESOLUTION_SECONDS_MAX, |seconds| seconds.min(RESOLUTION_SECONDS_MAX)),
        }))
    }
}

fn capability(rule: &Override) -> Capability {
    Capability {
        path: rule.path.clone(),
        action: rule.action.clone(),
    }
}

fn unique(mut list: Vec<Capability>) -> Vec<Capability> {
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::super::AssignRoles;
    use super::super::tests::{Given, admin, rule, rule_until};
    use super::*;

    #[test]
    fn what_is_denied_as_a_whole_is_no_capability_and_the_rest_is_said_apart() {
        let mut given = Given::nothing();
        let admin_id = admin("user");
        given
            .when(AssignRoles {
                admin_id: admin("user"),
                role_ids: vec![RoleId::Viewer],
            })
            .unwrap();
        given.when(rule("user", Effect::Grant, "billing.eu:delete")).unwrap();
        given.when(rule("user", Effect::Grant, "orders:write")).unwrap();
        given.when(rule("user", Effect::Deny, "billing.*:*")).unwrap();
        given.when(rule_until("user", Effect::Deny, "orders:list", 5)).unwrap();
        given.when(rule_until("user", Effect::Grant, "old:read", -5)).unwrap();
        let resolved = given
            .when(ResolvePermissions {
                admin_id: admin_id.clone(),
            })
            .unwrap();
        let texts = |list: &[Capability]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(resolved.roles, [RoleId::Viewer]);
        assert_eq!(texts(&resolved.capabilities), ["*:list", "*:read", "orders:write"]);
        assert_eq!(texts(&resolved.denied), ["billing.*:*", "orders:list"]);
        assert_eq!((resolved.overrides.len(), resolved.ttl_seconds), (4, 5));
        given.advance(5);
        let resolved = given.when(ResolvePermissions { admin_id }).unwrap();
        assert_eq!(
            (resolved.overrides.len(), resolved.ttl_seconds),
            (3, RESOLUTION_SECONDS_MAX)
        );
    }
}
