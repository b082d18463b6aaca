//! Many mints of one customer in one turn and one commit. Each stands for itself: one that is refused does not stop the others.

use super::{
    Access, Command, Decided, MintAgent, MintBearer, MintCommand, MintOverride, MintSession, MintSubagent, Moment,
};
use crate::id::Jti;
use crate::tenant::idempotency::{Idempotency, IdempotencyRecord};
use crate::tenant::{Rejection, State};
use crate::token::{Scope, TokenGrant, TokenKind};

/// One mint of a batch.
#[derive(Clone, Debug)]
pub enum BatchItem {
    /// A bearer token.
    Bearer(MintBearer),
    /// An agent token.
    Agent(MintAgent),
    /// A subagent token.
    Subagent(MintSubagent),
    /// A session token.
    Session(MintSession),
    /// An override token.
    Override(MintOverride),
}

impl BatchItem {
    /// The kind of token that it grants.
    pub const fn kind(&self) -> TokenKind {
        match self {
            Self::Bearer(_) => MintBearer::KIND,
            Self::Agent(_) => MintAgent::KIND,
            Self::Subagent(_) => MintSubagent::KIND,
            Self::Session(_) => MintSession::KIND,
            Self::Override(_) => MintOverride::KIND,
        }
    }

    fn access(&self) -> Access {
        match self {
            Self::Bearer(command) => command.access(),
            Self::Agent(command) => command.access(),
            Self::Subagent(command) => command.access(),
            Self::Session(command) => command.access(),
            Self::Override(command) => command.access(),
        }
    }

    fn decide(
        self,
        key: Option<&Idempotency>,
        state: &State,
        moment: &Moment<'_>,
    ) -> Result<Decided<TokenGrant>, Rejection> {
        match self {
            Self::Bearer(command) => decide(command, key, state, moment),
            Self::Agent(command) => decide(command, key, state, moment),
            Self::Subagent(command) => decide(command, key, state, moment),
            Self::Session(command) => decide(command, key, state, moment),
            Self::Override(command) => decide(command, key, state, moment),
        }
    }
}

/// As a turn decides a command that stands alone.
fn decide<C: Command<Reply = TokenGrant>>(
    command: C,
    key: Option<&Idempotency>,
    state: &State,
    moment: &Moment<'_>,
) -> Result<Decided<TokenGrant>, Rejection> {
    match key
        .map(|key| state.idempotency.consult(key, moment.now))
        .transpose()?
        .flatten()
    {
        Some(outcome) => command.repeat(state, moment, outcome).map(Decided::answer),
        None => command.decide(state, moment),
    }
}

/// Mints a batch.
#[derive(Clone, Debug)]
pub struct MintBatch {
    /// The mints, each with its idempotency key if the batch has one.
    pub items: Vec<(BatchItem, Option<Idempotency>)>,
    /// The token that the caller presented: what it has to be is asked even if there is no item to ask it of.
    pub presented: Option<Jti>,
}

/// Every kind that mints others.
const PARENTS: &[TokenKind] = &[
    TokenKind::Bearer,
    TokenKind::Agent,
    TokenKind::Subagent,
    TokenKind::Session,
];

impl Command for MintBatch {
    type Reply = Vec<Result<TokenGrant, Rejection>>;

    /// A caller who presents the parent may mint a batch if it is the parent of every item.
    fn access(&self) -> Access {
        let mut accesses = self.items.iter().map(|(item, _)| item.access());
        match accesses.next() {
            Some(first) if accesses.all(|access| access == first) => first,
            None => Access::Mint {
                parent: self.presented,
                parent_kinds: PARENTS,
            },
            Some(_) => Access::Scope(Scope::TokensMint),
        }
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let mut all = Decided::answer(Vec::with_capacity(self.items.len()));
        let max = moment.rules.tokens_per_tenant_max;
        for (item, key) in self.items {
            let decided = match state.tokens.len() + all.events.len() >= max {
                true => Err(Rejection::TokenLimit { max }),
                false => item.decide(key.as_ref(), state, moment),
            };
            let granted = decided.map(|decided| {
                let record = key
                    .zip(decided.outcome)
                    .map(|(key, outcome)| IdempotencyRecord::of(key, outcome));
                let records = decided.events.iter().enumerate().map(|(place, _)| match place {
                    0 => record.clone(),
                    _ => None,
                });
                all.records.extend(records);
                all.events.extend(decided.events);
                all.audit.extend(decided.audit);
                decided.reply
            });
            all.reply.push(granted);
        }
        Ok(all)
    }
}
