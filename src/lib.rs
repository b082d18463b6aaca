//! Countersign over HTTP: the program around the engine in `countersign-actors`.
//!
//! In the order in which a request meets them:
//!
//! - [`cli`] and [`config`]: what to run and how
//! - [`service`]: the engine and the application; [`server`]: binding, serving, stopping; [`telemetry`] and [`mod@print`]: what is said meanwhile; [`tls`]: certificates
//! - [`border`]: what every request passes, with the [`guard`] of open mode
//! - [`api_key`] and [`rate_limit`]: who calls the permission family, and how often
//! - [`routes`]: the URL table, one file per noun, made of [`endpoint`]s
//! - [`extract`]: credentials, paths, queries and bodies as typed values; [`identity`]: who calls, and for which customer
//! - [`wire`]: what requests and answers look like; [`app`]: what every handler is given
//! - [`error`]: every failure as HTTP
//! - [`openapi`]: all of that as a document

pub mod api_key;
pub mod app;
pub mod border;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod extract;
pub mod guard;
pub mod idempotency;
pub mod identity;
pub mod openapi;
pub mod print;
pub mod rate_limit;
pub mod routes;
pub mod server;
pub mod service;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
pub mod wire;

/// The Rust of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
