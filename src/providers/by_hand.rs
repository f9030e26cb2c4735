//! The common part of drivers whose credentials a person makes: there is nothing to log in to.

use super::setup::{LoginData, SetupError};

/// Refuses a login: a person who gives one expects it to be used.
pub(super) fn no_login(driver: &'static str, login: Option<&LoginData>) -> Result<(), SetupError> {
    if login.is_some() { Err(SetupError::UnwantedLogin { driver }) } else { Ok(()) }
}
