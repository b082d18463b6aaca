//! Ten thousand agent tokens over a hundred customers, without HTTP: each on disk before it is handed out, each verified with
//! nothing but the published keys.
//!
//! `cargo run --release -p countersign-actors --example ten_thousand`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashSet;
use std::error::Error;
use std::time::{Duration, Instant};

use countersign_actors::clock::fresh_uuid;
use countersign_actors::commands::{BearerParent, MintAgent, MintBearer, PublicKeys};
use countersign_actors::{
    AgentId, Call, CustomerId, Engine, EngineOptions, Environment, Name, NewApp, PolicyRequest, Scope, TokenKind,
    verify_offline,
};
use tokio::task::JoinSet;

const CUSTOMERS: usize = 100;
const AGENTS_PER_CUSTOMER: usize = 100;
const TOKENS: usize = CUSTOMERS * AGENTS_PER_CUSTOMER;

type Anything = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let directory = tempfile::tempdir()?;
    let engine = Engine::start(EngineOptions::new(directory.path()))?;

    let started = Instant::now();
    let minted = mint_all(&engine).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "minted   {TOKENS} agent tokens of {CUSTOMERS} customers in {seconds:.2} s: {:.0} a second",
        TOKENS as f64 / seconds
    );
    let written = engine.journal_status();
    println!("journal  {} events in {} groups", written.events, written.groups);

    let started = Instant::now();
    let verified = verify_all(&engine, &minted).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "verified {verified} of them offline in {seconds:.2} s: {:.0} a second on one thread",
        verified as f64 / seconds
    );
    if verified != TOKENS {
        return Err(format!("{verified} different tokens instead of {TOKENS}").into());
    }
    if engine.shutdown(Duration::from_secs(30)).await {
        Ok(())
    } else {
        Err("some calls were not answered".into())
    }
}

/// All customers at once; the tokens of one are minted one after the other.
async fn mint_all(engine: &Engine) -> Result<Vec<(CustomerId, Vec<String>)>, Anything> {
    let mut customers = JoinSet::new();
    for _ in 0..CUSTOMERS {
        customers.spawn(mint_for_one(engine.clone()));
    }
    let mut minted = Vec::with_capacity(CUSTOMERS);
    while let Some(one) = customers.join_next().await {
        minted.push(one??);
    }
    Ok(minted)
}

async fn mint_for_one(engine: Engine) -> Result<(CustomerId, Vec<String>), Anything> {
    let customer = CustomerId::new(fresh_uuid(engine.now()));
    engine.create_signing_key(customer, Call::management(())).await?;
    let app = NewApp {
        name: Name::parse("ten thousand")?,
        scopes: [Scope::All].into_iter().collect(),
        ttl_days: None,
    };
    let app = engine.mint_app(customer, Call::management(app)).await?;
    let bearer = MintBearer {
        jti: engine.fresh_jti(),
        parent: BearerParent::Presented(app.grant.jti()),
        environment: Environment::Production,
        ttl_days: None,
    };
    let bearer = engine.mint(customer, Call::management(bearer)).await?;
    let mut tokens = Vec::with_capacity(AGENTS_PER_CUSTOMER);
    for number in 0..AGENTS_PER_CUSTOMER {
        let agent = MintAgent {
            jti: engine.fresh_jti(),
            bearer_jti: bearer.grant.jti(),
            agent_id: AgentId::parse(&format!("agent-{number}"))?,
            agent_name: None,
            rbac: PolicyRequest::default(),
            ttl_hours: Some(1),
        };
        let agent = engine.mint(customer, Call::management(agent)).await?;
        tokens.push(agent.signed.token().to_owned());
    }
    Ok((customer, tokens))
}

/// Returns how many different tokens were found good; one that is not ends it.
async fn verify_all(engine: &Engine, minted: &[(CustomerId, Vec<String>)]) -> Result<usize, Anything> {
    let mut different = HashSet::new();
    for (customer, tokens) in minted {
        let keys = engine.manage(*customer, PublicKeys).await?.for_verifying();
        for token in tokens {
            let now = u64::try_from(engine.now().seconds().get())?;
            let verified = verify_offline(token, &keys, now)?;
            if verified.customer != *customer || verified.kind != TokenKind::Agent {
                return Err(format!("token {} is not what was minted", verified.jti).into());
            }
            different.insert(verified.jti);
        }
    }
    Ok(different.len())
}
