//! From a provider's block to its driver: the one place outside of a driver that knows drivers by
//! name.

use std::sync::Arc;

use super::{
    Driver as Calls, Provider, app_role, border::bounded, cloud_connexa, cloud_director, expereo, http::Http,
    oauth_registration, spreetail, vonage_contact_center,
};
pub use super::{
    http::{ClientCertificate, EgressPolicy, EgressRanges, MoreRoots, ProviderProxy, TlsMaterial},
    setup::{LoginData, SetupError},
};
use crate::{
    api::{Driver, ProviderSettings},
    ops::metrics::Meter,
};

/// Builds the driver of a provider; `login` is the content of its login Secret, if its spec names
/// one. Its requests are counted by `meter`.
pub fn build(
    settings: &ProviderSettings,
    login: Option<&LoginData>,
    egress: &EgressPolicy,
    meter: Meter,
) -> Result<Arc<dyn Provider>, SetupError> {
    let http = Arc::new(Http::new(settings, egress, meter)?.keeping(login));
    let Entry { build, .. } = settings.driver().map(entry).ok_or(SetupError::NoDriver)?;
    build(login, http)
}

/// The driver's name, as in the spec.
#[must_use]
pub fn driver_name(settings: &ProviderSettings) -> &'static str {
    settings.driver().map_or("none", Driver::name)
}

/// The keys of a login Secret that the provider's driver reads.
#[must_use]
pub fn login_keys(settings: &ProviderSettings) -> &'static [&'static str] {
    settings.driver().map_or(&[], |driver| entry(driver).login_keys)
}

/// Returns the identity of the account: the driver and its immutable fields, one on each line.
/// Ledgers remember a hash of it, so it must never change for an account.
#[must_use]
pub fn account(settings: &ProviderSettings) -> String {
    let mut lines = vec![driver_name(settings).to_owned()];
    lines.extend(settings.driver().into_iter().flat_map(|driver| entry(driver).account));
    lines.join("\n")
}

type Built<P> = Result<P, SetupError>;
/// Builds the driver of one block.
type Build<'a> = dyn FnOnce(Option<&LoginData>, Arc<Http>) -> Built<Arc<dyn Provider>> + 'a;

/// The driver of a block, before it is built.
struct Entry<'a> {
    /// The keys that it reads of a login.
    login_keys: &'static [&'static str],
    /// The immutable fields of the block.
    account: Vec<String>,
    build: Box<Build<'a>>,
}

impl<'a> Entry<'a> {
    fn new<B, P: Calls + 'static>(
        block: &'a B,
        login_keys: &'static [&'static str],
        account: fn(&B) -> Vec<String>,
        driver: fn(&B, Option<&LoginData>, Arc<Http>) -> Built<P>,
    ) -> Self {
        let build = move |login: Option<&LoginData>, http: Arc<Http>| {
            Ok(bounded(driver(block, login, Arc::clone(&http))?, http))
        };
        Self { login_keys, account: account(block), build: Box::new(build) }
    }
}

/// The list of all drivers.
fn entry(driver: Driver<'_>) -> Entry<'_> {
    match driver {
        Driver::Expereo(it) => Entry::new(it, expereo::KEYS, expereo::account, expereo::driver),
        Driver::Spreetail(it) => Entry::new(it, spreetail::KEYS, spreetail::account, spreetail::driver),
        Driver::CloudDirector(it) => {
            Entry::new(it, cloud_director::KEYS, cloud_director::account, cloud_director::driver)
        }
        Driver::CloudConnexa(it) => Entry::new(it, &[], cloud_connexa::account, cloud_connexa::driver),
        Driver::VonageContactCenter(it) => {
            Entry::new(it, &[], vonage_contact_center::account, vonage_contact_center::driver)
        }
        Driver::OauthRegistration(it) => {
            Entry::new(it, oauth_registration::KEYS, oauth_registration::account, oauth_registration::driver)
        }
        Driver::AppRole(it) => Entry::new(it, app_role::KEYS, app_role::account, app_role::driver),
    }
}

#[cfg(test)]
mod tests;
