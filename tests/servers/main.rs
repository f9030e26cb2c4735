//! The drivers at real servers.
//!
//! One list of cases for the registration servers of docs/providers/oauth-registration.md, each
//! with the settings of its section there: oidc-provider and Ory Hydra.
//!
//! Keycloak and Spring Authorization Server run the same cases in `jvm.rs`, which
//! `make test-servers` adds. `app_role` is at OpenBao, and has cases of its own.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]

#[macro_use]
mod cases;
mod app_role;
mod child;
#[path = "../conformance/front.rs"]
mod front;
mod hydra;
mod oidc_provider;
mod subject;
