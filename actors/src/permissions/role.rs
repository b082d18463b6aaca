//! Roles: named sets of capabilities. Two are built in and never change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use globset::{GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use super::action::InvalidAction;
use super::path::InvalidPath;
use super::{ActionPattern, PathPattern, Question, RoleId};
use crate::clock::UnixMillis;

/// Why a text is no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCapability {
    /// No `:` parts a path from an action.
    #[error("must be `path:action`")]
    Form,
    /// The part before the last `:`.
    #[error("has a path that {0}")]
    Path(#[from] InvalidPath),
    /// The part behind the last `:`.
    #[error("has an action that {0}")]
    Action(#[from] InvalidAction),
}

/// What a role permits: `path:action`. A path may have `:` itself, so the last one parts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability {
    /// What it is about.
    pub path: PathPattern,
    /// What may be done to that.
    pub action: ActionPattern,
}

impl Capability {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidCapability`]
    pub fn parse(text: &str) -> Result<Self, InvalidCapability> {
        let (path, action) = text.rsplit_once(':').ok_or(InvalidCapability::Form)?;
        Ok(Self {
            path: PathPattern::parse(path)?,
            action: ActionPattern::parse(action)?,
        })
    }

    /// The list with each capability once, where it stands first.
    pub fn once_each(mut list: Vec<Self>) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        list.retain(|capability| seen.insert(capability.clone()));
        list
    }

    /// Whether it permits all that `other` does.
    pub fn includes(&self, other: &Self) -> bool {
        self.action.includes(&other.action) && self.path.includes(&other.path)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.action)
    }
}

impl TryFrom<String> for Capability {
    type Error = InvalidCapability;

    fn try_from(text: String) -> Result<Self, InvalidCapability> {
        Self::parse(&text)
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.to_string()
    }
}

/// Capabilities, compiled once: one set of globs for each action.
#[derive(Debug, Default)]
pub struct CapabilitySet {
    list: Vec<Capability>,
    by_action: BTreeMap<ActionPattern, Compiled>,
}

#[derive(Debug, Default)]
struct Compiled {
    paths: Vec<PathPattern>,
    globs: GlobSet,
}

impl CapabilitySet {
    /// Compiles a list; what stands in it twice is kept once.
    ///
    /// # Errors
    /// Only if the grammar of paths ever grew beyond what globs take literally.
    pub fn compile(list: Vec<Capability>) -> Result<Self, globset::Error> {
        let list = Capability::once_each(list);
        let mut paths: BTreeMap<ActionPattern, Vec<PathPattern>> = BTreeMap::new();
        for Capability { path, action } in &list {
            paths.entry(action.clone()).or_default().push(path.clone());
        }
        let compiled = paths.into_iter().map(|(action, paths)| {
            let mut builder = GlobSetBuilder::new();
            for path in &paths {
                builder.add(path.glob()?);
            }
            let globs = builder.build()?;
            Ok((action, Compiled { paths, globs }))
        });
        Ok(Self {
            by_action: compiled.collect::<Result<_, globset::Error>>()?,
            list,
        })
    }

    /// The capabilities in the order they were given.
    pub fn list(&self) -> &[Capability] {
        &self.list
    }

    /// The path of a capability that covers what is asked. Text that is no path or no action is covered by none: roles permit
    /// only what they can name.
    pub fn covering(&self, question: &Question<'_>) -> Option<&PathPattern> {
        let (path, action) = question.path.zip(question.action)?;
        [action.as_str(), super::action::ANY].into_iter().find_map(|action| {
            let compiled = self.by_action.get(action)?;
            if !compiled.globs.is_match(path.as_str()) {
                return None;
            }
            let first = compiled.globs.matches(path.as_str()).into_iter().min()?;
            compiled.paths.get(first)
        })
    }
}

/// A role.
#[derive(Debug)]
pub struct Role {
    /// Its identifier.
    pub id: RoleId,
    /// Its name, which no other role of the customer has.
    pub name: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What it permits.
    pub capabilities: CapabilitySet,
    /// When it was made; the beginning of time if it is built in.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
}

static BUILT_IN: LazyLock<[Role; 2]> = LazyLock::new(|| {
    [
        built_in(RoleId::SuperAdmin, RoleId::SUPER_ADMIN, &["*:*"]),
        built_in(RoleId::Viewer, RoleId::VIEWER, &["*:read", "*:list"]),
    ]
});

/// The roles that every customer has.
pub fn built_in_roles() -> &'static [Role; 2] {
    &BUILT_IN
}

/// A test holds that nothing is left out of what is written here.
fn built_in(id: RoleId, name: &str, capabilities: &[&str]) -> Role {
    let list = capabilities.iter().filter_map(|text| Capability::parse(text).ok());
    Role {
        id,
        name: name.into(),
        description: None,
        capabilities: CapabilitySet::compile(list.collect()).unwrap_or_default(),
        created_at: UnixMillis::default(),
        updated_at: UnixMillis::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Path};
    use super::*;

    fn permits(role: &Role, path: &str, action: &str) -> bool {
        let (path, action) = (Path::parse(path).unwrap(), Action::parse(action).unwrap());
        let question = Question {
            path: Some(&path),
            action: Some(&action),
        };
        role.capabilities.covering(&question).is_some()
    }

    #[test]
    fn a_capability_is_parted_at_its_last_colon() {
        let capability = Capability::parse("tenant:7.orders:read").unwrap();
        assert_eq!(capability.path.as_str(), "tenant:7.orders");
        assert_eq!(capability.action.as_str(), "read");
        for bad in ["orders", ":read", "orders:", "a..b:read", "a:b c", "*.a:read"] {
            assert!(Capability::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_built_in_roles_are_whole() {
        let [admin, viewer] = built_in_roles();
        let listed = |role: &Role| {
            role.capabilities
                .list()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(listed(admin), ["*:*"]);
        assert_eq!(listed(viewer), ["*:read", "*:list"]);
        assert!(permits(admin, "a.b/c", "anything") && permits(viewer, "a", "list"));
        assert!(!permits(viewer, "a", "write") && !permits(viewer, "a", "reads"));
    }

    #[test]
    fn a_capability_that_stands_twice_is_kept_once_and_the_first_that_covers_is_named() {
        let list = ["a.*:read", "a.b:read", "a.*:read"].map(|text| Capability::parse(text).unwrap());
        let set = CapabilitySet::compile(list.to_vec()).unwrap();
        assert_eq!(set.list().len(), 2);
        let (path, action) = (Path::parse("a.b").unwrap(), Action::parse("read").unwrap());
        let question = Question {
            path: Some(&path),
            action: Some(&action),
        };
        assert_eq!(set.covering(&question).unwrap().as_str(), "a.*");
    }

    #[test]
    fn a_capability_includes_what_is_narrower() {
        let parse = |text| Capability::parse(text).unwrap();
        assert!(parse("*:*").includes(&parse("a.*:read")) && parse("a.*:read").includes(&parse("a.b.*:read")));
        assert!(!parse("a:read").includes(&parse("a.b:read")) && !parse("a.*:read").includes(&parse("a.*:*")));
        assert!(!parse("a.*:read").includes(&parse("a:read")) && !parse("a.*:read").includes(&parse("*:read")));
    }
}
