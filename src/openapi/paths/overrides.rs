//! `/overrides`: decisions on flagged events.

use countersign_actors::token::Scope;

use super::super::answers::CosignatureVerdict;
use super::super::operation::{Access, Operation, get, post};
use super::super::requests::{Decide, VerifyCosignature};
use crate::wire::kinds::EventId;
use crate::wire::overrides::{DecisionTaken, EventAnswer};

const TAG: &str = "Human decisions";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        of_event(post(
            "/overrides/{event_id}/decide",
            "decide",
            "Decides a flagged event with its override token, at most once",
        ))
        .told("Of any number of calls at the same time exactly one decides; the others are told the decision that stands.")
        .body::<Decide>()
        .keyed()
        .writes()
        .answers::<DecisionTaken<'static>>("The decision, cosigned.")
        .refuses(&[
            "token_not_found",
            "event_differs",
            "event_decided",
            "event_barred",
            "override_revoked",
            "override_expired",
            "decision_not_allowed",
            "no_active_key",
        ]),
        of_event(get(
            "/overrides/{event_id}",
            "findEvent",
            "What is known of an event: its override tokens, and the decision that stands",
        ))
        .customer_in_query()
        .answers::<EventAnswer<'static>>("The event.")
        .refuses(&["event_not_found"]),
        of_event(post(
            "/overrides/{event_id}/verify",
            "verifyCosignature",
            "Whether a cosignature is the one of that decision",
        ))
        .body::<VerifyCosignature>()
        .answers::<CosignatureVerdict>("Whether it is valid."),
    ]
}

fn of_event(operation: Operation) -> Operation {
    operation
        .tag(TAG)
        .access(Access::Scope(Scope::OverridesDecide))
        .path::<EventId>("event_id", "The event.")
        .of_a_customer()
}
