//! One suite for all drivers: the same named cases, over real HTTP, against providers that never
//! saw this code.
//!
//! A driver is left out of a case only for a capability that it declares not to have; the table at
//! the end says of which.
#![expect(clippy::disallowed_methods, reason = "tests have HTTP clients and a clock of their own")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod awkward;
#[path = "../support/awkward.rs"]
mod awkward_server;
mod cases;
mod cloud_connexa;
mod cloud_director;
mod expereo;
mod front;
mod lengths;
mod mutations;
mod oauth_registration;
mod spreetail;
mod subject;
mod vonage;

use credwright::{lifecycle::capability::LoginCheck, providers::Capabilities};

use self::subject::{Driver, Subject};

/// The cases of all files.
mod all {
    pub(super) use crate::{cases::*, lengths::*};
}

/// The requirements of a case for a provider.
struct Need {
    name: &'static str,
    is_met: fn(&Capabilities) -> bool,
}

const NOTHING: Need = Need { name: "nothing", is_met: |_| true };
const CREATE: Need = Need { name: "creation by API", is_met: |capabilities| !capabilities.is_by_hand() };
const LIST: Need = Need { name: "a list", is_met: Capabilities::can_list };
const REVOKE: Need = Need { name: "revocation", is_met: Capabilities::can_revoke };
const VERIFY: Need = Need { name: "verification", is_met: |capabilities| capabilities.verify };
const TOKENS: Need = Need {
    name: "a login that is exchanged for tokens",
    is_met: |capabilities| capabilities.login == LoginCheck::Tried,
};

async fn run<F: Future<Output = anyhow::Result<()>>>(
    driver: Driver,
    need: Need,
    case: fn(Subject) -> F,
) -> anyhow::Result<()> {
    let subject = Subject::start(driver).await?;
    if (need.is_met)(subject.provider.capabilities()) { case(subject).await } else { Ok(()) }
}

macro_rules! conformance {
    ($($case:ident needs $need:ident,)*) => {
        /// Every case, and what it needs.
        const CASES: &[(&str, Need)] = &[$((stringify!($case), $need)),*];

        conformance!(@driver of_spreetail Spreetail $($case $need)*);
        conformance!(@driver of_oauth_registration OauthRegistration $($case $need)*);
        conformance!(@driver of_cloud_director CloudDirector $($case $need)*);
        conformance!(@driver of_cloud_connexa CloudConnexa $($case $need)*);
        conformance!(@driver of_vonage_contact_center VonageContactCenter $($case $need)*);
        conformance!(@driver of_expereo Expereo $($case $need)*);
        conformance!(
            @driver of_expereo_without_list_and_delete ExpereoWithoutListAndDelete $($case $need)*
        );
    };
    (@driver $module:ident $driver:ident $($case:ident $need:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() -> anyhow::Result<()> {
                    super::run(super::Driver::$driver, super::$need, super::all::$case).await
                }
            )*
        }
    };
}

conformance! {
    a_created_credential_is_found_by_its_name needs LIST,
    what_was_created_is_accepted needs VERIFY,
    a_revoked_credential_is_refused_and_revoking_twice_is_fine needs REVOKE,
    the_login_is_probed needs NOTHING,
    a_wrong_login_is_refused needs CREATE,
    one_access_token_serves_many_calls_until_it_dies needs TOKENS,
    a_failed_login_of_a_create_means_that_nothing_was_created needs TOKENS,
    a_429_is_obeyed_with_its_delay needs VERIFY,
    a_create_whose_answer_is_lost_is_ambiguous needs CREATE,
    a_create_whose_answer_is_lost_is_found needs LIST,
    an_answer_that_cannot_be_read_is_malformed needs CREATE,
    a_refused_create_makes_nothing needs CREATE,
    a_create_that_is_never_sent_is_not_ambiguous needs CREATE,
    a_redirect_is_not_followed needs CREATE,
    nothing_goes_to_loopback_or_unencrypted_without_the_flag needs NOTHING,
    a_token_request_does_not_follow_redirects needs VERIFY,
    an_endless_answer_ends needs VERIFY,
    what_is_no_answer_proves_nothing_of_a_pair needs VERIFY,
    a_torn_token_request_is_sent_again needs VERIFY,
    a_revocation_is_not_sent_twice needs REVOKE,
    no_failure_shows_a_secret needs VERIFY,
    an_answer_longer_than_any_credential_is_malformed needs CREATE,
    an_endless_list_is_malformed needs LIST,
}

/// Checks which cases are skipped for which driver, and for which missing capability.
#[tokio::test]
async fn every_driver_does_what_its_capabilities_do_not_exclude() -> anyhow::Result<()> {
    let mut table = Vec::new();
    for driver in Driver::ALL {
        let subject = Subject::start(driver).await?;
        let capabilities = subject.provider.capabilities();
        for need in [CREATE, LIST, REVOKE, VERIFY, TOKENS] {
            let without = CASES.iter().filter(|(_, it)| it.name == need.name && !(it.is_met)(capabilities));
            let without: Vec<&str> = without.map(|(case, _)| *case).collect();
            if !without.is_empty() {
                table.push(format!("{driver:?} has not {}: {}", need.name, without.join(", ")));
            }
        }
    }
    insta::assert_snapshot!(table.join("\n"), @"
    OauthRegistration has not a list: a_created_credential_is_found_by_its_name, a_create_whose_answer_is_lost_is_found, an_endless_list_is_malformed
    OauthRegistration has not a login that is exchanged for tokens: one_access_token_serves_many_calls_until_it_dies, a_failed_login_of_a_create_means_that_nothing_was_created
    CloudConnexa has not creation by API: a_wrong_login_is_refused, a_create_whose_answer_is_lost_is_ambiguous, an_answer_that_cannot_be_read_is_malformed, a_refused_create_makes_nothing, a_create_that_is_never_sent_is_not_ambiguous, a_redirect_is_not_followed, an_answer_longer_than_any_credential_is_malformed
    CloudConnexa has not a list: a_created_credential_is_found_by_its_name, a_create_whose_answer_is_lost_is_found, an_endless_list_is_malformed
    CloudConnexa has not revocation: a_revoked_credential_is_refused_and_revoking_twice_is_fine, a_revocation_is_not_sent_twice
    CloudConnexa has not a login that is exchanged for tokens: one_access_token_serves_many_calls_until_it_dies, a_failed_login_of_a_create_means_that_nothing_was_created
    VonageContactCenter has not creation by API: a_wrong_login_is_refused, a_create_whose_answer_is_lost_is_ambiguous, an_answer_that_cannot_be_read_is_malformed, a_refused_create_makes_nothing, a_create_that_is_never_sent_is_not_ambiguous, a_redirect_is_not_followed, an_answer_longer_than_any_credential_is_malformed
    VonageContactCenter has not a list: a_created_credential_is_found_by_its_name, a_create_whose_answer_is_lost_is_found, an_endless_list_is_malformed
    VonageContactCenter has not revocation: a_revoked_credential_is_refused_and_revoking_twice_is_fine, a_revocation_is_not_sent_twice
    VonageContactCenter has not a login that is exchanged for tokens: one_access_token_serves_many_calls_until_it_dies, a_failed_login_of_a_create_means_that_nothing_was_created
    ExpereoWithoutListAndDelete has not a list: a_created_credential_is_found_by_its_name, a_create_whose_answer_is_lost_is_found, an_endless_list_is_malformed
    ExpereoWithoutListAndDelete has not revocation: a_revoked_credential_is_refused_and_revoking_twice_is_fine, a_revocation_is_not_sent_twice
    ");
    Ok(())
}
