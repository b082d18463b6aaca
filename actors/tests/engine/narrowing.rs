//! A policy made to be hard costs its own caller a refusal, and nobody else anything.

use countersign_actors::commands::{MintAgent, MintSubagent};
use countersign_actors::error::Failure;
use countersign_actors::id::AgentId;
use countersign_actors::rbac::{Pattern, PolicyRequest};
use countersign_actors::tenant::Rejection;

use crate::support::{Fixture, agent, agent_command, call, customer_with_bearer};

fn allowing(actions: &[String]) -> PolicyRequest {
    let actions = actions.iter().map(|action| Pattern::parse(action).expect("a pattern"));
    PolicyRequest {
        allowed_actions: Some(actions.collect()),
        ..PolicyRequest::default()
    }
}

#[tokio::test]
async fn hostile_narrowing_is_refused_and_its_tenant_and_neighbours_go_on() {
    let fixture = Fixture::with(|options| options.shards = 1);
    let engine = &fixture.engine;
    let (hostile, bearer) = customer_with_bearer(engine).await;
    let (neighbour, neighbours_bearer) = customer_with_bearer(engine).await;
    let any = "?".repeat(18);
    let parents = [format!("*aa{any}"), format!("*ba{any}")];
    let parent = MintAgent {
        rbac: allowing(&parents),
        ..agent_command(engine, bearer)
    };
    let parent_agent_jti = engine
        .mint(hostile, call(parent))
        .await
        .expect("an agent token")
        .grant
        .jti();
    let attack = || {
        engine.execute(
            hostile,
            call(MintSubagent {
                jti: engine.fresh_jti(),
                parent_agent_jti,
                agent_id: AgentId::parse("attacker").expect("an id"),
                agent_name: None,
                rbac: allowing(&[format!("*[ab]a{any}")]),
                ttl_hours: None,
            }),
        )
    };
    for _ in 0..20 {
        let (refused, own, beside) = tokio::join!(
            attack(),
            agent(engine, hostile, bearer),
            agent(engine, neighbour, neighbours_bearer)
        );
        let escalation = |failure| match failure {
            Failure::Rejected(Rejection::PermissionEscalation {
                field: "allowed_actions",
                message,
            }) => message,
            other => panic!("{other:?}"),
        };
        assert!(escalation(refused.expect_err("it is refused")).contains("too much work"));
        assert!(own.is_ok() && beside.is_ok());
    }
}
