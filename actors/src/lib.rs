//! The Countersign engine: one actor per customer, a write-ahead journal, and pure rules. Usable in-process, without HTTP.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign_actors::commands::{BearerParent, MintAgent, MintBearer, PublicKeys};
//! use countersign_actors::{
//!     AgentId, Call, CustomerId, Engine, EngineOptions, Environment, Name, NewApp, PolicyRequest, Scope, verify_offline,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! // Locks the directory; a first start makes a master key in it.
//! let engine = Engine::start(EngineOptions::new(directory.path()))?;
//! let customer = CustomerId::parse("550e8400-e29b-41d4-a716-446655440000").ok_or("no UUID")?;
//! engine.create_signing_key(customer, Call::management(())).await?;
//!
//! // app → bearer → agent: each is on disk before it is handed out.
//! let app = NewApp { name: Name::parse("console")?, scopes: [Scope::All].into_iter().collect(), ttl_days: None };
//! let app = engine.mint_app(customer, Call::management(app)).await?;
//! let bearer = MintBearer {
//!     jti: engine.fresh_jti(),
//!     parent: BearerParent::Presented(app.grant.jti()),
//!     environment: Environment::Production,
//!     ttl_days: None,
//! };
//! let bearer = engine.mint(customer, Call::management(bearer)).await?;
//! let agent = MintAgent {
//!     jti: engine.fresh_jti(),
//!     bearer_jti: bearer.grant.jti(),
//!     agent_id: AgentId::parse("code-review-agent")?,
//!     agent_name: None,
//!     rbac: PolicyRequest::default(),
//!     ttl_hours: Some(1),
//! };
//! let agent = engine.mint(customer, Call::management(agent)).await?;
//!
//! // Elsewhere, with nothing but the published keys and a clock:
//! let keys = engine.manage(customer, PublicKeys).await?.for_verifying();
//! let now = engine.now().seconds().get().try_into()?;
//! let verified = verify_offline(agent.signed.token(), &keys, now)?;
//! assert_eq!(verified.customer, customer);
//! assert_eq!(verified.claims["agent_id"], "code-review-agent");
//!
//! // Answers what is in flight, makes everything durable, stops all threads.
//! assert!(engine.shutdown(Duration::from_secs(10)).await);
//! # Ok(())
//! # }
//! ```
//!
//! Two longer programs stand under `examples/`: `ten_thousand` and `hierarchy`.
//!
//! In reading order:
//!
//! - [`engine`]: start, execute, shut down; what an embedding program holds
//! - [`commands`]: what can be asked of a customer, one file each, with its rules
//! - [`tenant`]: events, the state they add up to, rejections, and the actor that owns them
//! - [`permissions`]: overrides of what users may do, roles, evaluation
//! - [`rbac`]: policies, patterns, narrowing, evaluation
//! - [`token`]: token kinds, claims, grants and their signed form
//! - [`journal`]: durable before answered: append, group commit, recovery
//! - [`crypto`]: keys, sealing, digests
//! - [`placement`]: which shard a customer lives on
//! - [`data_dir`]: the data directory's lock and master key; [`inspection`]: looking into a stopped store;
//!   [`verification`]: checking all of it
//! - [`backup`]: all customers as a stream, and reading it back; [`rekey`]: another master key
//! - [`metrics`]: what an engine counts of itself
//! - [`id`], [`clock`], [`limits`], [`error`]: what all of them speak of
//!
//! What an embedding program names most often is also found at the root.

pub mod backup;
pub mod clock;
pub mod commands;
pub mod crypto;
pub mod data_dir;
pub mod engine;
pub mod error;
mod feed;
pub mod id;
pub mod inspection;
pub mod journal;
pub mod limits;
pub mod metrics;
pub mod permissions;
mod permits;
pub mod placement;
pub mod rbac;
pub mod rekey;
mod supervisor;
pub mod tenant;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod token;
pub mod verification;

pub use commands::{Call, Caller};
pub use crypto::jose::keys_of_jwks;
pub use engine::{Engine, EngineOptions, Health, Minted, NewApp, StartError};
pub use error::{Failure, Overload};
pub use id::{AgentId, CustomerId, EventId, Jti, KeyId, Name, SessionId};
pub use rbac::{Pattern, Policy, PolicyRequest};
pub use tenant::Rejection;
pub use token::offline::{VerifiedClaims, VerifyError, verify_offline};
pub use token::{Environment, Scope, Scopes, TokenKind};
