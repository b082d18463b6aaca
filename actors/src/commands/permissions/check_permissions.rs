//! Asking several questions at one moment.

use super::{Access, Check, CheckAnswer, Command, Decided, Moment};
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Asks several questions; all are answered as of one moment.
#[derive(Clone, Debug)]
pub struct CheckPermissions {
    /// The questions.
    pub checks: Vec<Check>,
}

impl Command for CheckPermissions {
    type Reply = Vec<CheckAnswer>;

    fn access(&self) -> Access {
        Access::Scope(Scope::PermissionsCheck)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let answered = self.checks.iter().map(|check| check.answer(state, moment, false));
        let (answers, notes): (Vec<_>, Vec<_>) = answered.unzip();
        Ok(Decided::answer(answers).noted(notes.into_iter().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Given, check, rule};
    use super::*;
    use crate::permissions::{Effect, Source};

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let mut given = Given::nothing();
        given.when(rule("a", Effect::Grant, "x:read")).unwrap();
        given.when(rule("b", Effect::Deny, "x:read")).unwrap();
        let checks = ["a", "c", "b"].map(|user| check(user, "x", "read")).to_vec();
        let decided = given.decide(CheckPermissions { checks }).unwrap();
        let sources: Vec<_> = decided.reply.iter().map(|answer| answer.source).collect();
        assert_eq!(sources, [Source::OverrideGrant, Source::None, Source::OverrideDeny]);
        assert_eq!(decided.notes.len(), 2, "the two that were refused");
    }
}
