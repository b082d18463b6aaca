//! The actor that owns one customer: a mailbox round [`Tenant`], and what it tells its supervisor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, Message, Recipient};

use super::state::State;
use super::turn::{Job, Tenant};
use crate::id::CustomerId;
use crate::journal::Lease;
use crate::metrics::{Counters, Presence};

/// A command for the tenant.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver(pub(crate) Box<dyn Job>);

/// Asks the tenant to leave memory.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Passivate;

/// Tells the tenant to forget everything: it is being erased.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Abandon;

/// What a tenant tells its supervisor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Report {
    pub(crate) customer: CustomerId,
    pub(crate) news: News,
}

pub(crate) enum News {
    /// It has left memory; its lease can be released.
    Passivated(Box<State>, Lease),
    /// It cannot leave memory yet.
    Busy,
    /// Its memory is of no use any more.
    Faulted,
    /// A command reached it too late and has to be delivered again.
    Undelivered(Box<dyn Job>),
}

/// The actor of one customer.
pub(crate) struct TenantActor {
    customer: CustomerId,
    /// `None` once it has left memory or faulted: what still arrives goes back.
    tenant: Option<(Tenant, Presence)>,
    supervisor: Recipient<Report>,
}

impl TenantActor {
    pub(crate) fn new(
        customer: CustomerId,
        tenant: Tenant,
        counters: Arc<Counters>,
        supervisor: Recipient<Report>,
    ) -> Self {
        let presence = Presence::new(counters, tenant.token_counts());
        Self {
            customer,
            tenant: Some((tenant, presence)),
            supervisor,
        }
    }

    fn report(&self, news: News) {
        self.supervisor.do_send(Report {
            customer: self.customer,
            news,
        });
    }
}

impl Actor for TenantActor {
    type Context = Context<Self>;
}

impl Handler<Deliver> for TenantActor {
    type Result = ();

    fn handle(&mut self, Deliver(job): Deliver, _context: &mut Self::Context) {
        let Some((tenant, presence)) = self.tenant.as_mut() else {
            self.report(News::Undelivered(job));
            return;
        };
        // The state is dropped after a panic, so that no half-made change is ever seen.
        let reason = match catch_unwind(AssertUnwindSafe(|| job.run(tenant))) {
            Ok(Ok(())) => {
                presence.tell(tenant.token_counts());
                return;
            }
            Ok(Err(fault)) => fault.0,
            Err(_) => "a rule panicked".to_owned(),
        };
        presence.counters().faulted();
        tracing::error!(customer = %self.customer, reason, "a tenant faulted and will be recovered");
        self.tenant = None;
        self.report(News::Faulted);
    }
}

impl Handler<Abandon> for TenantActor {
    type Result = ();

    fn handle(&mut self, _: Abandon, _context: &mut Self::Context) {
        // The actor stays until its last message has gone back to the supervisor, which holds its address no more.
        self.tenant = None;
    }
}

impl Handler<Passivate> for TenantActor {
    type Result = ();

    fn handle(&mut self, _: Passivate, context: &mut Self::Context) {
        match self.tenant.take() {
            // Faulted before: the supervisor has been told.
            None => {}
            Some(present) if present.0.has_appends_in_flight() => {
                self.tenant = Some(present);
                self.report(News::Busy);
            }
            Some((tenant, _presence)) => {
                let (state, lease) = tenant.into_parts();
                self.report(News::Passivated(Box::new(state), lease));
                context.stop();
            }
        }
    }
}
