//! From a provider's block to its driver: the one place outside of a driver that knows drivers by
//! name.

use std::sync::Arc;

use super::{
    Provider, border::bounded, cloud_connexa, cloud_director, expereo, http::Http, oauth_registration,
    spreetail, vonage_contact_center,
};
pub use super::{
    http::{EgressPolicy, MoreRoots},
    setup::{LoginData, SetupError},
};
use crate::{
    api::{ProviderSettings, VonageContactCenter},
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
    if let Some(block) = &settings.expereo {
        Ok(bounded(expereo::driver(block, login, http.clone())?, http))
    } else if let Some(block) = &settings.spreetail {
        Ok(bounded(spreetail::driver(block, login, http.clone())?, http))
    } else if let Some(block) = &settings.cloud_director {
        Ok(bounded(cloud_director::driver(block, login, http.clone())?, http))
    } else if let Some(block) = &settings.cloud_connexa {
        Ok(bounded(cloud_connexa::driver(block, login, http.clone())?, http))
    } else if let Some(block) = &settings.vonage_contact_center {
        Ok(bounded(vonage_contact_center::driver(block, login, http.clone())?, http))
    } else if let Some(block) = &settings.oauth_registration {
        Ok(bounded(oauth_registration::driver(block, login, http.clone())?, http))
    } else {
        Err(SetupError::NoDriver)
    }
}

/// The driver's name, as in the spec.
#[must_use]
pub fn driver_name(settings: &ProviderSettings) -> &'static str {
    let drivers = [
        ("expereo", settings.expereo.is_some()),
        ("spreetail", settings.spreetail.is_some()),
        ("cloudDirector", settings.cloud_director.is_some()),
        ("cloudConnexa", settings.cloud_connexa.is_some()),
        ("vonageContactCenter", settings.vonage_contact_center.is_some()),
        ("oauthRegistration", settings.oauth_registration.is_some()),
    ];
    drivers.iter().find(|(_, given)| *given).map_or("none", |(name, _)| name)
}

/// The keys of a login Secret that the provider's driver reads.
#[must_use]
pub fn login_keys(settings: &ProviderSettings) -> &'static [&'static str] {
    let drivers = [
        (settings.expereo.is_some(), expereo::KEYS),
        (settings.spreetail.is_some(), spreetail::KEYS),
        (settings.cloud_director.is_some(), cloud_director::KEYS),
        (settings.oauth_registration.is_some(), oauth_registration::KEYS),
    ];
    drivers.into_iter().find(|(given, _)| *given).map_or(&[], |(_, keys)| keys)
}

/// Returns the identity of the account: the driver and its immutable fields, one on each line.
/// Ledgers remember a hash of it, so it must never change for an account.
#[must_use]
pub fn account(settings: &ProviderSettings) -> String {
    let ProviderSettings {
        expereo,
        spreetail,
        cloud_director,
        cloud_connexa,
        vonage_contact_center,
        oauth_registration,
        tls: _,
        limits: _,
    } = settings;
    let mut lines = vec![driver_name(settings).to_owned()];
    lines.extend(expereo.iter().map(|it| it.base_url.clone()));
    lines.extend(spreetail.iter().map(|it| it.base_url.clone()));
    lines.extend(cloud_director.iter().flat_map(|it| [it.base_url.clone(), it.org.clone()]));
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    lines.extend(cloud_connexa.iter().flat_map(|it| [text(&it.cloud_id), text(&it.base_url)]));
    let region = |it: &VonageContactCenter| it.region.map(|region| format!("{region:?}"));
    lines.extend(vonage_contact_center.iter().flat_map(|it| [text(&region(it)), text(&it.base_url)]));
    lines
        .extend(oauth_registration.iter().flat_map(|it| [text(&it.issuer), text(&it.registration_endpoint)]));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
