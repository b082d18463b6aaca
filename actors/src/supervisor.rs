//! One supervisor per shard: it knows which of the shard's tenants are in memory, brings them there on first use, delivers, and
//! sends idle ones away without losing a command.

mod inbox;

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
pub(crate) use inbox::{Inbox, Ring};
use tokio::sync::oneshot;

use crate::error::{Failure, Overload};
use crate::id::CustomerId;
use crate::journal::{AppendError, Completion, RecoverError};
use crate::limits::SLOTS_PER_SWEEP_MAX;
use crate::tenant::Rejection;
use crate::tenant::actor::{Abandon, Deliver, News, Passivate, Report, TenantActor};
use crate::tenant::recovery::{Recovered, Recovering};
use crate::tenant::state::State;
use crate::tenant::turn::{Job, Shared, Tenant};

/// How often a supervisor looks for idle tenants.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Tokens and overrides from which a state is dropped off the shard's thread, where it could be felt.
const DROPPED_ELSEWHERE_TOKENS: usize = 10_000;

/// When tenants leave memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residence {
    /// Sweeps without a command after which a tenant leaves.
    pub(crate) idle_sweeps: u64,
    /// Tenants on a shard above which one leaves after a single sweep without a command.
    pub(crate) active_max: usize,
}

/// A command for a customer of this shard.
pub(crate) struct Route {
    pub(crate) customer: CustomerId,
    pub(crate) job: Box<dyn Job>,
}

/// Tells the supervisor how a recovery ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Activated {
    customer: CustomerId,
    recovered: Recovered,
    /// When it was asked for, by the monotonic clock.
    begun: Duration,
}

/// Erases a customer of this shard.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Erase {
    pub(crate) customer: CustomerId,
    /// What stays behind.
    pub(crate) fact: Vec<u8>,
    pub(crate) done: oneshot::Sender<Result<(), Failure>>,
}

/// Tells the supervisor that a customer is erased, or that it could not be.
#[derive(Message)]
#[rtype(result = "()")]
struct Erased {
    customer: CustomerId,
}

/// Looks for idle tenants, at once instead of at the next interval.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct Sweep;

/// Commands that wait for their customer to come into memory, or to be gone.
type Waiting = Vec<Box<dyn Job>>;

enum Slot {
    /// Being recovered; commands wait.
    Activating { waiting: Waiting },
    /// In memory.
    Active { actor: Addr<TenantActor>, last_used: u64 },
    /// Being erased; commands wait, to find that it is gone.
    Erasing { waiting: Waiting },
    /// Asked to leave; commands wait, for the next activation or for its refusal to go.
    Passivating { actor: Addr<TenantActor>, waiting: Waiting },
}

/// The supervisor of one shard.
pub(crate) struct TenantSupervisor {
    shared: Arc<Shared>,
    residence: Residence,
    slots: BTreeMap<CustomerId, Slot>,
    sweeps: u64,
    swept_to: Option<CustomerId>,
}

impl TenantSupervisor {
    pub(crate) const fn new(shared: Arc<Shared>, residence: Residence) -> Self {
        Self {
            shared,
            residence,
            slots: BTreeMap::new(),
            sweeps: 0,
            swept_to: None,
        }
    }

    fn deliver(&mut self, customer: CustomerId, job: Box<dyn Job>, supervisor: &Addr<Self>) {
        match self.slots.get_mut(&customer) {
            Some(Slot::Active { actor, last_used }) => {
                *last_used = self.sweeps;
                actor.do_send(Deliver(job));
            }
            Some(Slot::Activating { waiting } | Slot::Passivating { waiting, .. } | Slot::Erasing { waiting }) => {
                waiting.push(job);
            }
            None => {
                let create = job.creates_customer();
                self.activate(customer, vec![job], create, supervisor);
            }
        }
    }

    /// Starts a recovery. With `create`, a customer of whom nothing is known starts empty.
    fn activate(&mut self, customer: CustomerId, waiting: Waiting, create: bool, supervisor: &Addr<Self>) {
        self.slots.insert(customer, Slot::Activating { waiting });
        let supervisor = supervisor.clone();
        let may_forget = !self.shared.watch.has_jumped();
        let begun = self.shared.clock.monotonic();
        let now = self.shared.clock.now();
        let fold_events = self.shared.fold_events;
        let recovering = Recovering::new(customer, now, may_forget, fold_events, move |recovered| {
            supervisor.do_send(Activated {
                customer,
                recovered,
                begun,
            });
        });
        self.shared.journal.recover(customer, create, Box::new(recovering));
    }

    fn activated(&mut self, activated: Activated, supervisor: &Addr<Self>) {
        let Activated {
            customer,
            recovered,
            begun,
        } = activated;
        let Some(Slot::Activating { waiting }) = self.slots.remove(&customer) else {
            return;
        };
        match recovered {
            Ok(Some(restored)) => {
                let took = self.shared.clock.monotonic().saturating_sub(begun);
                let counters = Arc::clone(&self.shared.counters);
                counters.activated(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                let tenant = Tenant::new(restored, Arc::clone(&self.shared));
                let actor = TenantActor::new(customer, tenant, counters, supervisor.clone().recipient()).start();
                for job in waiting {
                    actor.do_send(Deliver(job));
                }
                self.slots.insert(
                    customer,
                    Slot::Active {
                        actor,
                        last_used: self.sweeps,
                    },
                );
            }
            // One of those that waited behind the first may bring the customer into being; the others then find it empty.
            Ok(None) if waiting.iter().any(|job| job.creates_customer()) => {
                self.activate(customer, waiting, true, supervisor);
            }
            Ok(None) => refuse_all(waiting, &Failure::Rejected(Rejection::UnknownCustomer)),
            Err(error) => {
                tracing::error!(%customer, %error, "a tenant could not be recovered");
                let failure = match error {
                    RecoverError::Failed(_) | RecoverError::Closed => Failure::Interrupted,
                    RecoverError::Overloaded => Failure::Overloaded(Overload::Process),
                    _ => Failure::Unreadable,
                };
                refuse_all(waiting, &failure);
            }
        }
    }

    fn report(&mut self, customer: CustomerId, news: News, supervisor: &Addr<Self>) {
        if matches!(self.slots.get(&customer), Some(Slot::Erasing { .. })) && !matches!(news, News::Undelivered(_)) {
            // Whatever became of its memory, the customer is going.
            return;
        }
        match news {
            News::Undelivered(job) => self.deliver(customer, job, supervisor),
            News::Faulted => {
                let waiting = match self.slots.remove(&customer) {
                    Some(
                        Slot::Passivating { waiting, .. } | Slot::Activating { waiting } | Slot::Erasing { waiting },
                    ) => waiting,
                    Some(Slot::Active { .. }) | None => Vec::new(),
                };
                // What it appended first may still be in the queue, so an empty store does not mean an unknown customer.
                self.activate(customer, waiting, true, supervisor);
            }
            News::Busy => {
                if let Some((actor, waiting)) = self.take_passivating(customer) {
                    for job in waiting {
                        actor.do_send(Deliver(job));
                    }
                    self.slots.insert(
                        customer,
                        Slot::Active {
                            actor,
                            last_used: self.sweeps,
                        },
                    );
                }
            }
            News::Passivated(state, lease) => {
                drop_elsewhere(state);
                self.shared.journal.release(lease);
                if let Some((_, waiting)) = self.take_passivating(customer)
                    && !waiting.is_empty()
                {
                    let create = waiting.iter().any(|job| job.creates_customer());
                    self.activate(customer, waiting, create, supervisor);
                }
            }
        }
    }

    /// Ends a passivation. News of one that an erasure has overtaken may come when the customer is on its way into memory again; that
    /// slot is not its business.
    fn take_passivating(&mut self, customer: CustomerId) -> Option<(Addr<TenantActor>, Waiting)> {
        match self.slots.remove(&customer)? {
            Slot::Passivating { actor, waiting } => Some((actor, waiting)),
            other => {
                self.slots.insert(customer, other);
                None
            }
        }
    }

    /// Sends the tenant's memory away, then lets the journal delete everything behind what the tenant appended last.
    fn erase(&mut self, Erase { customer, fact, done }: Erase, supervisor: &Addr<Self>) {
        let waiting = match self.slots.remove(&customer) {
            None => Vec::new(),
            Some(Slot::Active { actor, .. }) => {
                actor.do_send(Abandon);
                Vec::new()
            }
            Some(Slot::Passivating { actor, waiting }) => {
                actor.do_send(Abandon);
                waiting
            }
            Some(slot @ (Slot::Activating { .. } | Slot::Erasing { .. })) => {
                self.slots.insert(customer, slot);
                // A caller who has gone away needs no answer.
                let _ = done.send(Err(Failure::Interrupted));
                return;
            }
        };
        self.slots.insert(customer, Slot::Erasing { waiting });
        let supervisor = supervisor.clone();
        let completion = Completion::new(move |outcome| {
            let _ = done.send(match outcome {
                Ok(()) => Ok(()),
                Err(AppendError::Refused(_)) => Err(Failure::Interrupted),
                Err(AppendError::Failed) => Err(Failure::Indeterminate),
            });
            supervisor.do_send(Erased { customer });
        });
        self.shared.journal.erase(customer, fact, completion);
    }

    /// Asks idle tenants to leave, at most [`SLOTS_PER_SWEEP_MAX`] of them looked at; returns how many slots are taken.
    fn sweep(&mut self) -> usize {
        self.sweeps += 1;
        let crowded = self.slots.len() > self.residence.active_max;
        let idle_sweeps = if crowded { 1 } else { self.residence.idle_sweeps };
        let from = self.swept_to.map_or(Unbounded, Excluded);
        let mut last = None;
        for (customer, slot) in self.slots.range_mut((from, Unbounded)).take(SLOTS_PER_SWEEP_MAX) {
            last = Some(*customer);
            if let Slot::Active { actor, last_used } = slot
                && self.sweeps - *last_used > idle_sweeps
            {
                actor.do_send(Passivate);
                *slot = Slot::Passivating {
                    actor: actor.clone(),
                    waiting: Vec::new(),
                };
            }
        }
        self.swept_to = last;
        self.slots.len()
    }
}

fn refuse_all(jobs: Waiting, failure: &Failure) {
    for job in jobs {
        job.refuse(failure.clone());
    }
}

/// Freeing a large state takes long enough to be felt by the shard's other tenants.
fn drop_elsewhere(state: Box<State>) {
    if state.tokens.len() + state.permissions.override_count() >= DROPPED_ELSEWHERE_TOKENS {
        // Without a thread it is freed here after all: the closure is dropped with the error.
        drop(
            std::thread::Builder::new()
                .name("forget".to_owned())
                .spawn(move || drop(state)),
        );
    }
}

impl Actor for TenantSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(SWEEP_INTERVAL, |supervisor, _| {
            supervisor.sweep();
        });
    }
}

impl Handler<Ring> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, ring: Ring, context: &mut Self::Context) {
        let supervisor = context.address();
        for Route { customer, job } in ring.collect() {
            self.deliver(customer, job, &supervisor);
        }
    }
}

impl Handler<Activated> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, activated: Activated, context: &mut Self::Context) {
        self.activated(activated, &context.address());
    }
}

impl Handler<Report> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, Report { customer, news }: Report, context: &mut Self::Context) {
        self.report(customer, news, &context.address());
    }
}

impl Handler<Erase> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, erase: Erase, context: &mut Self::Context) {
        self.erase(erase, &context.address());
    }
}

impl Handler<Erased> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, Erased { customer }: Erased, context: &mut Self::Context) {
        if let Some(Slot::Erasing { waiting }) = self.slots.remove(&customer) {
            for job in waiting {
                self.deliver(customer, job, &context.address());
            }
        }
    }
}

impl Handler<Sweep> for TenantSupervisor {
    type Result = usize;

    fn handle(&mut self, _: Sweep, _context: &mut Self::Context) -> usize {
        self.sweep()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use actix::{ActorContext, System};

    use super::*;
    use crate::clock::{Clock, ClockWatch, SystemClock, fresh_uuid};
    use crate::commands::Rules;
    use crate::journal::{FaultyStore, Journal, JournalOptions, JournalThreads};
    use crate::tenant::turn::Fault;

    /// A job that tells how it is refused, or by its drop that nobody ever took it.
    struct Told(oneshot::Sender<Failure>);

    impl Job for Told {
        fn run(self: Box<Self>, _: &mut Tenant) -> Result<(), Fault> {
            Ok(())
        }

        fn refuse(self: Box<Self>, failure: Failure) {
            let _ = self.0.send(failure);
        }

        fn creates_customer(&self) -> bool {
            false
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Leave;

    impl Handler<Leave> for TenantSupervisor {
        type Result = ();

        fn handle(&mut self, _: Leave, context: &mut Self::Context) {
            context.stop();
        }
    }

    const RESIDENCE: Residence = Residence {
        idle_sweeps: 1,
        active_max: 1,
    };

    fn shared() -> (Arc<Shared>, JournalThreads) {
        let (journal, threads) =
            Journal::with_store(FaultyStore::new(), JournalOptions::default()).expect("a journal in memory");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shared = Shared {
            journal,
            watch: ClockWatch::new(Arc::clone(&clock)),
            clock,
            rules: Rules::default(),
            fold_events: 256,
            feed: Arc::default(),
            counters: Arc::default(),
        };
        (Arc::new(shared), threads)
    }

    fn told() -> (Route, oneshot::Receiver<Failure>) {
        let (tell, told) = oneshot::channel();
        let customer = CustomerId::new(fresh_uuid(SystemClock.now()));
        let job = Box::new(Told(tell));
        (Route { customer, job }, told)
    }

    #[test]
    fn late_news_of_a_passivation_leaves_a_later_activation_alone() {
        let (shared, threads) = shared();
        System::new().block_on(async {
            let address = TenantSupervisor::new(Arc::clone(&shared), RESIDENCE).start();
            let mut supervisor = TenantSupervisor::new(shared, RESIDENCE);
            let (Route { customer, job }, _told) = told();
            supervisor
                .slots
                .insert(customer, Slot::Activating { waiting: vec![job] });
            supervisor.report(customer, News::Busy, &address);
            let slot = supervisor.slots.get(&customer);
            assert!(matches!(slot, Some(Slot::Activating { waiting }) if waiting.len() == 1));
        });
        threads.shutdown();
    }

    #[test]
    fn what_was_posted_arrives_although_its_poster_has_gone_away() {
        let (shared, threads) = shared();
        System::new().block_on(async {
            let inbox = Inbox::new(TenantSupervisor::new(shared, RESIDENCE).start());
            let (route, told) = told();
            {
                let mut poster = pin!(inbox.post(route));
                let waits = poll_fn(|context| Poll::Ready(poster.as_mut().poll(context).is_pending())).await;
                assert!(waits, "whoever posts lets others post before it rings");
            }
            assert_eq!(told.await, Ok(Failure::Rejected(Rejection::UnknownCustomer)));
        });
        threads.shutdown();
    }

    #[test]
    fn what_is_posted_to_a_shard_that_has_ended_is_dropped_and_not_kept_for_ever() {
        let (shared, threads) = shared();
        System::new().block_on(async {
            let address = TenantSupervisor::new(shared, RESIDENCE).start();
            address.send(Leave).await.expect("it ends");
            let inbox = Inbox::new(address);
            let (route, told) = told();
            inbox.post(route).await;
            assert!(told.await.is_err(), "its caller learns that nothing happened");
        });
        threads.shutdown();
    }
}
