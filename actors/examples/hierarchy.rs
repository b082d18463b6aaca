//! One hierarchy from top to bottom: app → bearer → agent → subagent (narrowed) → session, and a widening that is refused.
//!
//! `cargo run -p countersign-actors --example hierarchy`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use countersign_actors::clock::fresh_uuid;
use countersign_actors::commands::{
    BearerParent, MintAgent, MintBearer, MintSession, MintSubagent, PublicKeys, SessionParent,
};
use countersign_actors::{
    AgentId, Call, CustomerId, Engine, EngineOptions, Environment, Failure, Jti, Minted, Name, NewApp, Pattern,
    PolicyRequest, Rejection, Scope, SessionId, TokenKind, verify_offline,
};

type Anything = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let directory = tempfile::tempdir()?;
    let engine = Engine::start(EngineOptions::new(directory.path()))?;
    let customer = CustomerId::new(fresh_uuid(engine.now()));
    engine.create_signing_key(customer, Call::management(())).await?;
    println!("customer {customer}\n");

    let minted = mint_hierarchy(&engine, customer).await?;
    check(&engine, customer, &minted).await?;
    refuse_widening(&engine, customer, minted.get(2).ok_or("no agent")?.grant.jti()).await?;

    if engine.shutdown(Duration::from_secs(30)).await {
        Ok(())
    } else {
        Err("some calls were not answered".into())
    }
}

fn patterns(texts: &[&str]) -> Result<Option<Vec<Pattern>>, Anything> {
    let parsed: Result<Vec<_>, _> = texts.iter().map(|text| Pattern::parse(text)).collect();
    Ok(Some(parsed?))
}

/// Mints one token of each kind below the last, and shows it.
async fn mint_hierarchy(engine: &Engine, customer: CustomerId) -> Result<Vec<Minted>, Anything> {
    let app = NewApp {
        name: Name::parse("console")?,
        scopes: [Scope::All].into_iter().collect(),
        ttl_days: None,
    };
    let app = engine.mint_app(customer, Call::management(app)).await?;
    show(&app);
    let bearer = MintBearer {
        jti: engine.fresh_jti(),
        parent: BearerParent::Presented(app.grant.jti()),
        environment: Environment::Production,
        ttl_days: None,
    };
    let bearer = engine.mint(customer, Call::management(bearer)).await?;
    show(&bearer);
    let agent = MintAgent {
        jti: engine.fresh_jti(),
        bearer_jti: bearer.grant.jti(),
        agent_id: AgentId::parse("code-review-agent")?,
        agent_name: Some(Name::parse("Code Review Agent")?),
        rbac: PolicyRequest {
            allowed_actions: patterns(&["data:read:*", "code:review:*"])?,
            denied_actions: patterns(&["data:write:*"])?,
            allowed_resources: patterns(&["repo:*"])?,
            max_sensitivity_level: Some(3),
            ..PolicyRequest::default()
        },
        ttl_hours: Some(2),
    };
    let agent = engine.mint(customer, Call::management(agent)).await?;
    show(&agent);
    let subagent = MintSubagent {
        jti: engine.fresh_jti(),
        parent_agent_jti: agent.grant.jti(),
        agent_id: AgentId::parse("diff-reader")?,
        agent_name: None,
        rbac: PolicyRequest {
            allowed_actions: patterns(&["data:read:diff"])?,
            max_sensitivity_level: Some(1),
            ..PolicyRequest::default()
        },
        // More than its parent has left: it gets what there is.
        ttl_hours: Some(4),
    };
    let subagent = engine.mint(customer, Call::management(subagent)).await?;
    show(&subagent);
    let session = MintSession {
        jti: engine.fresh_jti(),
        parent_jti: subagent.grant.jti(),
        parent_type: SessionParent::Subagent,
        session_id: SessionId::parse("review-4711")?,
        max_events: Some(50),
        ttl_minutes: None,
    };
    let session = engine.mint(customer, Call::management(session)).await?;
    show(&session);
    Ok(vec![app, bearer, agent, subagent, session])
}

fn show(minted: &Minted) {
    let grant = &minted.grant;
    println!(
        "{:<8} {} until {}",
        grant.kind().as_str(),
        grant.jti(),
        grant.expires_at()
    );
    if let Some(policy) = grant.policy() {
        println!("         policy {}", policy.json());
    }
}

/// Verifies every token with the published keys, and that each stands below the last and does not outlive it.
async fn check(engine: &Engine, customer: CustomerId, minted: &[Minted]) -> Result<(), Anything> {
    let kinds: Vec<TokenKind> = minted.iter().map(|minted| minted.grant.kind()).collect();
    let expected = [
        TokenKind::App,
        TokenKind::Bearer,
        TokenKind::Agent,
        TokenKind::Subagent,
        TokenKind::Session,
    ];
    if kinds != expected {
        return Err(format!("the kinds are {kinds:?}").into());
    }
    let keys = engine.manage(customer, PublicKeys).await?.for_verifying();
    let now = u64::try_from(engine.now().seconds().get())?;
    let mut parent: Option<&Minted> = None;
    for child in minted {
        let verified = verify_offline(child.signed.token(), &keys, now)?;
        let named = verified.claims.get("parent_jti").and_then(|jti| jti.as_str());
        if named != parent.map(|parent| parent.grant.jti().to_string()).as_deref() {
            return Err(format!("{} names another parent", verified.jti).into());
        }
        if parent.is_some_and(|parent| child.grant.expires_at() > parent.grant.expires_at()) {
            return Err(format!("{} outlives its parent", verified.jti).into());
        }
        parent = Some(child);
    }
    println!("\nall of them verify offline, and none outlives its parent");
    Ok(())
}

/// Asks for a subagent that may do more than its agent.
async fn refuse_widening(engine: &Engine, customer: CustomerId, agent: Jti) -> Result<(), Anything> {
    let wider = MintSubagent {
        jti: engine.fresh_jti(),
        parent_agent_jti: agent,
        agent_id: AgentId::parse("too-curious")?,
        agent_name: None,
        rbac: PolicyRequest {
            allowed_actions: patterns(&["code:read:*"])?,
            ..PolicyRequest::default()
        },
        ttl_hours: None,
    };
    match engine.mint(customer, Call::management(wider)).await {
        Err(Failure::Rejected(rejection @ Rejection::PermissionEscalation { .. })) => {
            println!("\na subagent for code:read:* is refused: {rejection}");
            Ok(())
        }
        other => Err(format!("a wider subagent was answered with {other:?}").into()),
    }
}
