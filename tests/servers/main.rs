//! One list of cases for the registration servers of docs/providers/oauth-registration.md, each
//! with the settings of its section there: oidc-provider and Ory Hydra.
//!
//! Keycloak and Spring Authorization Server run the same cases in `jvm.rs`, which
//! `make test-servers` adds.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients of their own")]

#[macro_use]
mod cases;
mod child;
mod hydra;
mod oidc_provider;
mod subject;
