//! `/customers`

use countersign_actors::limits::{PAGE_DEFAULT, PAGE_MAX};

use super::super::answers::{Customer, CustomerStatus, Erased};
use super::super::operation::{Access, Operation, delete, get, post};
use super::super::requests::SayWhy;
use crate::wire::kinds::Uuid;
use crate::wire::look_up::CustomersAnswer;

const TAG: &str = "Customers";

pub(super) fn operations() -> Vec<Operation> {
    let one = |operation: Operation| {
        operation
            .tag(TAG)
            .access(Access::Operator)
            .path::<Uuid>("id", "The customer.")
            .of_a_customer()
    };
    vec![
        get("/customers", "listCustomers", "All customers")
            .tag(TAG)
            .access(Access::Operator)
            .query::<Uuid>("cursor", "The `cursor` of an earlier answer.")
            .limit(PAGE_MAX, PAGE_DEFAULT)
            .answers::<CustomersAnswer>("A page."),
        one(get("/customers/{id}", "findCustomer", "One customer, with counts")).answers::<Customer>("The customer."),
        one(post(
            "/customers/{id}/suspend",
            "suspendCustomer",
            "Suspends a customer",
        ))
        .told("Nothing is minted and every token is inactive until it is resumed; nothing is lost.")
        .optional_body::<SayWhy>()
        .writes()
        .answers::<CustomerStatus>("It is suspended."),
        one(post("/customers/{id}/resume", "resumeCustomer", "Ends a suspension"))
            .optional_body::<SayWhy>()
            .writes()
            .answers::<CustomerStatus>("It is active."),
        one(delete(
            "/customers/{id}",
            "eraseCustomer",
            "Erases all of a customer but the fact of the erasure",
        ))
        .writes()
        .answers::<Erased>("It is erased."),
    ]
}
