//! A tenant's permissions: its overrides, its roles, and who has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::UnixMillis;
use crate::permissions::event::{NewOverride, RoleContent};
use crate::permissions::role::built_in_roles;
use crate::permissions::{
    AdminId, CapabilitySet, Effect, Override, OverrideId, PermissionEvent, Question, Role, RoleId, Subject, Verdict,
    evaluate,
};

/// A tenant's permissions.
#[derive(Debug, Default)]
pub struct Permissions {
    overrides: BTreeMap<OverrideId, Arc<Override>>,
    /// Those that expire, the first first.
    expiring: BTreeSet<(UnixMillis, OverrideId)>,
    subjects: BTreeMap<AdminId, Subject>,
    roles: BTreeMap<RoleId, Role>,
    role_ids: BTreeMap<Box<str>, RoleId>,
    holders: BTreeMap<RoleId, usize>,
}

impl Permissions {
    /// Overrides, expired ones that are still listed among them.
    pub fn override_count(&self) -> usize {
        self.overrides.len()
    }

    /// The override of this identifier, unless it expired so long ago that it is about to be purged.
    pub fn get(&self, id: OverrideId, now: UnixMillis) -> Option<&Arc<Override>> {
        self.overrides.get(&id).filter(|rule| !rule.is_forgotten(now))
    }

    /// What is known of a user, or of an agent by the identifier of the agent.
    pub fn subject(&self, admin_id: &str) -> Option<&Subject> {
        self.subjects.get(admin_id)
    }

    /// Whether a user may do something now.
    pub fn evaluate(&self, admin_id: &AdminId, question: &Question<'_>, now: UnixMillis) -> Verdict<'_> {
        let subject = self.subjects.get(admin_id);
        evaluate(subject, self.roles_of(subject), question, now)
    }

    /// A user's roles.
    pub fn roles_of<'a>(&'a self, subject: Option<&'a Subject>) -> impl Iterator<Item = &'a Role> {
        let ids = subject.map(Subject::roles).unwrap_or_default();
        ids.iter().filter_map(|id| self.role(*id))
    }

    /// The role of this identifier.
    pub fn role(&self, id: RoleId) -> Option<&Role> {
        let [super_admin, viewer] = built_in_roles();
        match id {
            RoleId::SuperAdmin => Some(super_admin),
            RoleId::Viewer => Some(viewer),
            RoleId::Made(_) => self.roles.get(&id),
        }
    }

    /// The role of this name.
    pub fn role_named(&self, name: &str) -> Option<RoleId> {
        let built_in = built_in_roles().iter().find(|role| &*role.name == name);
        built_in.map_or_else(|| self.role_ids.get(name).copied(), |role| Some(role.id))
    }

    /// Roles that the customer made.
    pub fn role_count(&self) -> usize {
        self.roles.len()
    }

    /// The roles behind `after`, the built-in ones first.
    pub fn roles_after(&self, after: Option<RoleId>) -> impl Iterator<Item = &Role> {
        let is_behind = move |role: &&Role| after.is_none_or(|after| role.id > after);
        built_in_roles().iter().chain(self.roles.values()).filter(is_behind)
    }

    /// Users who have a role.
    pub fn holders(&self, id: RoleId) -> usize {
        self.holders.get(&id).copied().unwrap_or_default()
    }

    /// The overrides that expired so long ago that they are to be purged, the oldest first.
    pub fn forgotten(&self, now: UnixMillis) -> impl Iterator<Item = &Arc<Override>> {
        self.expiring
            .iter()
            .take_while(move |(from, _)| *from <= now)
            .filter_map(|(_, id)| self.overrides.get(id))
    }

    /// The overrides in force that grant, in the order of their identifiers.
    pub fn granting(&self, now: UnixMillis) -> impl Iterator<Item = &Arc<Override>> {
        self.live(Effect::Grant, now).filter(|rule| !rule.suspended)
    }

    /// The overrides of this effect that are not over, in the order of their identifiers.
    pub fn live(&self, effect: Effect, now: UnixMillis) -> impl Iterator<Item = &Arc<Override>> {
        self.overrides
            .values()
            .filter(move |rule| rule.effect == effect && rule.is_live(now))
    }

    /// The override of this identifier, however long ago it expired.
    pub(super) fn kept(&self, id: OverrideId) -> Option<&Arc<Override>> {
        self.overrides.get(&id)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn apply(&mut self, sequence: u64, at: UnixMillis, event: PermissionEvent) -> Result<(), &'static str> {
        match event {
            PermissionEvent::OverrideCreated(new) => self.create(sequence, at, new),
            PermissionEvent::OverrideDeleted { id } => self.remove(id),
            PermissionEvent::OverridesPurged { ids } => ids.into_iter().try_for_each(|id| self.remove(id)),
            PermissionEvent::GrantsSuspended { ids } => ids.into_iter().try_for_each(|id| self.set_suspended(id, true)),
            PermissionEvent::GrantConfirmed { id } => self.set_suspended(id, false),
            PermissionEvent::RoleCreated(content) => self.set_role(at, at, content),
            PermissionEvent::RoleChanged(content) => {
                let earlier = self.roles.remove(&content.id).ok_or("the role is not here")?;
                self.role_ids.remove(&earlier.name);
                self.set_role(earlier.created_at, at, content)
            }
            PermissionEvent::RoleDeleted { id } => {
                let role = self.roles.remove(&id).ok_or("the role is not here")?;
                self.role_ids.remove(&role.name);
                Ok(())
            }
            PermissionEvent::RolesAssigned { admin_id, roles } => {
                self.assign(sequence, admin_id, roles);
                Ok(())
            }
        }
    }

    /// Adds an override.
    pub(super) fn create(
        &mut self,
        sequence: u64,
        created_at: UnixMillis,
        new: NewOverride,
    ) -> Result<(), &'static str> {
        let NewOverride {
            id,
            admin_id,
            path,
            action,
            effect,
            reason,
            expiry,
            created_by,
        } = new;
        let rule = Arc::new(Override {
            id,
            sequence,
            admin_id: admin_id.clone(),
            path,
            action,
            effect,
            reason,
            expiry,
            created_at,
            created_by,
            suspended: false,
        });
        if self.overrides.contains_key(&id) || !self.subjects.entry(admin_id).or_default().insert(&rule) {
            return Err("the override's identifier is taken");
        }
        if let Some(from) = rule.forgotten_from() {
            self.expiring.insert((from, id));
        }
        self.overrides.insert(id, rule);
        Ok(())
    }

    fn remove(&mut self, id: OverrideId) -> Result<(), &'static str> {
        let rule = self.overrides.remove(&id).ok_or("the override is not here")?;
        if let Some(from) = rule.forgotten_from() {
            self.expiring.remove(&(from, id));
        }
        if let Some(subject) = self.subjects.get_mut(&rule.admin_id) {
            subject.remove(&rule);
            if subject.is_empty() {
                self.subjects.remove(&rule.admin_id);
            }
        }
        Ok(())
    }

    /// Suspends an override that grants, or ends its suspension.
    pub(super) fn set_suspended(&mut self, id: OverrideId, suspended: bool) -> Result<(), &'static str> {
        let place = self.overrides.get_mut(&id).ok_or("the override is not here")?;
        let subject = self.subjects.get_mut(&place.admin_id).ok_or("its user is not here")?;
        subject.remove(place);
        let rule = Arc::new(Override {
            suspended,
            ..Override::clone(place)
        });
        *place = Arc::clone(&rule);
        if subject.insert(&rule) {
            Ok(())
        } else {
            Err("another override was created by the same event")
        }
    }

    /// Adds a role, or what a changed one has become.
    pub(super) fn set_role(
        &mut self,
        created_at: UnixMillis,
        updated_at: UnixMillis,
        content: RoleContent,
    ) -> Result<(), &'static str> {
        let RoleContent {
            id,
            name,
            description,
            capabilities,
        } = content;
        let capabilities = CapabilitySet::compile(capabilities).map_err(|_| "a capability does not compile")?;
        let role = Role {
            id,
            name: name.clone(),
            description,
            capabilities,
            created_at,
            updated_at,
        };
        if self.roles.insert(id, role).is_some() || self.role_ids.insert(name, id).is_some() {
            return Err("the role's identifier or name is taken");
        }
        Ok(())
    }

    /// Replaces a user's roles.
    pub(super) fn assign(&mut self, sequence: u64, admin_id: AdminId, roles: Vec<RoleId>) {
        for id in &roles {
            *self.holders.entry(*id).or_default() += 1;
        }
        let subject = self.subjects.entry(admin_id.clone()).or_default();
        let earlier = subject.assign(sequence, roles);
        if subject.is_empty() {
            self.subjects.remove(&admin_id);
        }
        for id in earlier {
            if let Some(count) = self.holders.get_mut(&id) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.holders.remove(&id);
                }
            }
        }
    }
}
