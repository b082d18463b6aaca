//! Customers and hierarchies in an engine of this process.

use countersign_actors::clock::{Clock as _, SystemClock, fresh_uuid};
use countersign_actors::commands::{
    BatchItem, BearerParent, Call, MintAgent, MintBatch, MintBearer, MintSession, SessionParent,
};
use countersign_actors::engine::{Engine, Minted, NewApp};
use countersign_actors::id::{AgentId, CustomerId, Jti, Name, SessionId};
use countersign_actors::limits::BATCH_MAX;
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::token::hash::token_hash;
use countersign_actors::token::{Environment, Scope, TokenHashDigest};

/// A customer with a signing key, an app token, and a bearer token.
#[derive(Clone, Copy, Debug)]
pub struct Customer {
    /// Its identifier.
    pub id: CustomerId,
    /// Its app token.
    pub app: Jti,
    /// Its bearer token, the parent of agents.
    pub bearer: Jti,
}

/// What is minted in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minting {
    /// Agent tokens with the default policy, below a bearer token.
    Agents,
    /// Session tokens, below an agent token.
    Sessions,
}

/// An identifier for a customer.
pub fn fresh_customer() -> CustomerId {
    CustomerId::new(fresh_uuid(SystemClock.now()))
}

/// A new customer.
pub async fn customer(engine: &Engine) -> Customer {
    let id = fresh_customer();
    let key = engine.create_signing_key(id, Call::management(())).await;
    key.expect("a key");
    let new = NewApp {
        name: Name::parse("bench").expect("a name"),
        scopes: [Scope::All].into_iter().collect(),
        ttl_days: None,
    };
    let app = engine.mint_app(id, Call::management(new)).await.expect("an app token");
    let bearer = MintBearer {
        jti: engine.fresh_jti(),
        parent: BearerParent::Hash(TokenHashDigest::of(&token_hash(app.signed.token()))),
        environment: Environment::Production,
        ttl_days: None,
    };
    let bearer = engine.mint(id, Call::management(bearer)).await.expect("a bearer token");
    Customer {
        id,
        app: app.grant.jti(),
        bearer: bearer.grant.jti(),
    }
}

/// The command for an agent token with the default policy.
pub fn agent_command(engine: &Engine, bearer_jti: Jti) -> MintAgent {
    MintAgent {
        jti: engine.fresh_jti(),
        bearer_jti,
        agent_id: AgentId::parse("code-review-agent").expect("an id"),
        agent_name: None,
        rbac: PolicyRequest::default(),
        ttl_hours: None,
    }
}

/// The command for a session token below an agent token.
pub fn session_command(engine: &Engine, parent_jti: Jti) -> MintSession {
    MintSession {
        jti: engine.fresh_jti(),
        parent_jti,
        parent_type: SessionParent::Agent,
        session_id: SessionId::parse("session").expect("an id"),
        max_events: None,
        ttl_minutes: None,
    }
}

/// An agent token of the customer.
pub async fn agent(engine: &Engine, customer: Customer) -> Minted {
    let command = agent_command(engine, customer.bearer);
    let minted = engine.mint(customer.id, Call::management(command)).await;
    minted.expect("an agent token")
}

/// Mints one token below `parent` and signs it.
pub async fn mint_one(engine: &Engine, customer: CustomerId, parent: Jti, minting: Minting) -> Minted {
    let minted = match minting {
        Minting::Agents => {
            let command = agent_command(engine, parent);
            engine.mint(customer, Call::management(command)).await
        }
        Minting::Sessions => {
            let command = session_command(engine, parent);
            engine.mint(customer, Call::management(command)).await
        }
    };
    minted.expect("a token")
}

/// Records this many tokens below `parent`, in batches; nothing is signed.
pub async fn many(engine: &Engine, customer: CustomerId, parent: Jti, minting: Minting, count: usize) {
    let item = || match minting {
        Minting::Agents => BatchItem::Agent(agent_command(engine, parent)),
        Minting::Sessions => BatchItem::Session(session_command(engine, parent)),
    };
    let mut left = count;
    while left > 0 {
        let items: Vec<_> = (0..left.min(BATCH_MAX)).map(|_| (item(), None)).collect();
        left -= items.len();
        let batch = MintBatch { items, presented: None };
        let minted = engine.manage(customer, batch).await.expect("a batch");
        assert!(minted.iter().all(Result::is_ok), "every token of a batch");
    }
}
