//! Each message that promises an effect, or advises something, has a test that follows it.
//!
//! "It is tried again when the provider changes" was once untrue for most of a provider's fields.
//! A new promise needs a row here, and the row needs a test.

use std::collections::BTreeSet;

#[path = "support/file.rs"]
mod file;

/// Words of a promise or of an advice.
const WORDS: [&str; 23] = [
    "tried again",
    "Credwright retries",
    "recreate",
    "rebuil",
    "as soon as",
    " at once",
    "by itself",
    "until it is",
    "is tried in",
    "restores it",
    "next attempt",
    "correct ",
    "check ",
    "set expereo",
    "set spec.",
    "set both",
    "delete it",
    "delete or rename",
    "store a",
    "store the bearer",
    "turn on",
    "raise it",
    "give it",
];

/// A part of a message, and the test that does what it says.
const FOLLOWED: &[(&str, &str)] = &[
    ("It starts by itself then", "with_older_crds_it_does_not_start_and_says_what_to_apply"),
    (
        "The next one is issued when one of them is revoked",
        "where_few_may_be_alive_a_mint_waits_for_the_end_of_the_overlap",
    ),
    ("; the next attempt is at {}", "a_final_refusal_is_tried_again_within_the_hour"),
    ("Credwright retries at {}", "an_hour_of_refusals_revokes_nothing_and_ends_by_itself"),
    ("it is tried in a few seconds", "every_refusal_is_explained_and_nothing_is_published_or_lost"),
    ("is right, have it tried again", "every_refusal_is_explained_and_nothing_is_published_or_lost"),
    ("as soon as the provider accepts it", "a_credential_is_published_only_once_the_provider_accepts_it"),
    (
        "another one is issued at once",
        "a_credential_that_was_deleted_at_the_provider_is_found_dead_within_hours_and_replaced",
    ),
    (
        "limits.mintsPerHour allows {limit}: raise it",
        "limits_that_are_too_low_are_reported_before_anything_expires_and_raising_them_is_enough",
    ),
    (
        "limits.requestsPerSecond allows {}: raise it",
        "limits_that_are_too_low_are_reported_before_anything_expires_and_raising_them_is_enough",
    ),
    (
        "It continues as soon as the limit allows",
        "limits_that_are_too_low_are_reported_before_anything_expires_and_raising_them_is_enough",
    ),
    ("which is {limit}: raise it", "short_lifetimes_do_not_get_around_the_limit_of_a_shared_provider"),
    ("raise its limits.requestsPerSecond", "every_field_of_a_provider_is_part_of_its_setup"),
    // The Secret of the workloads, the ledger, and the object.
    (
        "so it is not overwritten: delete or rename it",
        "a_secret_of_another_owner_is_never_overwritten_and_nothing_is_minted_before_it_is_gone",
    ),
    ("is immutable: delete it", "an_immutable_secret_is_left_alone_until_it_is_deleted"),
    (
        "is being deleted; it is recreated as soon as it is gone",
        "a_deleted_secret_is_restored_without_a_mint_whether_the_provider_answers_or_not",
    ),
    ("restores it at {}", "f21_a_secret_that_another_writer_keeps_changing_is_restored_with_growing_pauses"),
    ("correct it, and the Secret", "a_failing_template_is_reported_and_leaves_the_secret_unchanged"),
    (
        "finalizer blocks that; it is recreated when it is gone",
        "a_ledger_with_a_foreign_finalizer_is_released_once_and_recreated_when_it_is_gone",
    ),
    (
        "is gone; it is rebuilt when the provider can be used",
        "the_loss_of_ledger_and_target_during_an_outage_leaves_no_credential_behind",
    ),
    (
        "delete the Secret {}: Credwright then rebuilds it",
        "without_its_sealing_key_a_ledger_is_reported_and_rebuilt_once_a_person_deletes_it",
    ),
    ("was lost and has been rebuilt from the object's status", "a_lost_ledger_is_rebuilt_and_mints_nothing"),
    ("cannot be rebuilt: {}", "the_loss_of_ledger_and_target_during_an_outage_leaves_no_credential_behind"),
    ("because the Secret that workloads read has no keys", "every_life_ends_well_once_faults_stop"),
    ("has been recreated unchanged", "a_ledger_that_a_user_deletes_is_recreated_after_a_crash_at_any_call"),
    (
        "could not be recreated",
        "an_object_with_an_unreadable_ledger_is_deleted_and_the_credentials_in_its_status_are_revoked",
    ),
    (
        "Credwright retries until it is gone",
        "credentials_at_an_unreachable_provider_are_recorded_and_revoked_once_it_is_back",
    ),
    (
        "the API server refuses a request that Credwright needs",
        "an_object_without_a_credential_because_of_a_quota_reports_it_and_gets_one_once_there_is_room",
    ),
    (
        "Credwright cannot continue: {why}. It retries by itself",
        "an_object_without_a_credential_because_of_a_quota_reports_it_and_gets_one_once_there_is_room",
    ),
    (
        "changed nothing and is needed again at once",
        "f21_a_secret_that_another_writer_keeps_changing_is_restored_with_growing_pauses",
    ),
    ("nothing until it is false", "while_suspended_nothing_is_called_and_nothing_but_status_is_written"),
    ("is issued until it is corrected", "a_template_that_can_never_be_rendered_costs_no_first_credential"),
    // The specs.
    ("set spec.intake.secretName", "a_person_is_asked_and_their_pair_is_taken"),
    ("create it, or correct spec.providerRef", "a_provider_corrected_while_its_status_is_written_is_used"),
    ("the spec cannot be read by this version", "an_undecodable_object_delays_no_other_in_streamed_lists"),
    ("its owner has to give it the label", "consent_to_a_login_that_is_withdrawn_is_noticed_at_once"),
    (
        "each ledger then has to be rebuilt",
        "without_its_sealing_key_a_ledger_is_reported_and_rebuilt_once_a_person_deletes_it",
    ),
    ("Correct the intake Secret, or delete", "every_refusal_is_explained_and_nothing_is_published_or_lost"),
    ("its spec cannot be read by this version", "an_undecodable_object_delays_no_other_in_streamed_lists"),
    ("the right to; Credwright retries", "the_rights_in_a_deleted_namespace_stay_until_nothing_needs_them"),
    // The providers: what is corrected there is part of what a failure is about.
    ("redirects are not followed: check the URL", "every_field_of_a_provider_is_part_of_its_setup"),
    (
        "encryption: use https, or set spec.proxy.direct: true",
        "the_proxy_of_a_provider_replaces_that_of_the_operator",
    ),
    (
        "if the provider can be reached without a proxy",
        "the_proxy_of_a_provider_replaces_that_of_the_operator",
    ),
    ("cannot check where {} would connect to", "the_guard_judges_a_provider_before_the_proxy_hears_of_it"),
    ("{shown} refuses connections: check {}", "the_proxy_of_a_provider_replaces_that_of_the_operator"),
    (
        "correct the file of --provider-proxy-credentials",
        "the_login_of_the_proxy_is_read_again_when_it_has_changed",
    ),
    (
        "or the lack of one: check tls.clientCertificateRef",
        "a_client_certificate_is_renewed_while_the_operator_runs",
    ),
    ("does not speak TLS: check the URL", "every_field_of_a_provider_is_part_of_its_setup"),
    (
        "or set spec.intake.verify to Skip",
        "a_pair_that_cannot_be_verified_from_here_is_taken_once_the_spec_skips_verification",
    ),
    ("on Enable API", "a_pair_that_cannot_be_verified_from_here_is_taken_once_the_spec_skips_verification"),
    ("give it that right at the server", "a_login_that_was_given_the_right_is_tried_at_once"),
    ("check oauthRegistration.registrationEndpoint", "every_field_of_a_provider_is_part_of_its_setup"),
    ("correct oauthRegistration.metadata", "corrected_registration_metadata_are_tried_at_once"),
    ("check oauthRegistration.metadata", "corrected_registration_metadata_are_tried_at_once"),
    ("correct grant_types in oauthRegistration", "corrected_registration_metadata_are_tried_at_once"),
    ("correct oauthRegistration.tokenParameters", "every_field_of_a_provider_is_part_of_its_setup"),
    ("check the server's public URL", "every_field_of_a_provider_is_part_of_its_setup"),
    ("correct spec.scopes", "corrected_scopes_are_tried_at_once"),
    ("set spec.scopes", "corrected_scopes_are_tried_at_once"),
    ("store the bearer_token of a person", "a_login_that_was_given_the_right_is_tried_at_once"),
    ("store a fresh one", "a_refused_login_is_reported_and_a_corrected_one_ends_the_failure"),
    ("check username and password", "a_refused_login_is_reported_and_a_corrected_one_ends_the_failure"),
    ("check {setting}", "every_field_of_a_provider_is_part_of_its_setup"),
    ("refuse the requested expiry, {expires}: check spec.lifetime", "a_correction_ends_the_wait_for_it"),
    ("check expereo.baseUrl and expereo.clientsPath", "a_corrected_path_is_tried_at_once"),
    ("correct expereo.scopeSpelling", "a_corrected_spelling_is_tried_at_once"),
    ("set expereo.delete: Disabled", "a_correction_ends_the_wait_for_it"),
    ("set expereo.list: Disabled", "a_correction_ends_the_wait_for_it"),
    ("correct expereo.paging", "a_correction_ends_the_wait_for_it"),
    ("check expereo.paging", "a_correction_ends_the_wait_for_it"),
    ("check expereo.answer.clientId", "a_correction_ends_the_wait_for_it"),
    ("check expereo.answer.clientSecret", "a_correction_ends_the_wait_for_it"),
    ("set expereo.answer", "a_correction_ends_the_wait_for_it"),
    ("correct spec.parameters.role", "a_correction_ends_the_wait_for_it"),
    ("correct spec.lifetime, or raise", "a_correction_ends_the_wait_for_it"),
    ("correct spec.subnets", "a_correction_ends_the_wait_for_it"),
    ("check role_id and secret_id", "a_refused_login_is_reported_and_a_corrected_one_ends_the_failure"),
];

#[test]
fn each_promise_of_a_message_is_kept_by_a_test() {
    let messages: Vec<String> = ["src/lifecycle", "src/engine", "src/providers"]
        .into_iter()
        .flat_map(sources)
        .filter(|(path, _)| !path.contains("/tests"))
        .flat_map(|(_, text)| literals(&text))
        .filter(|text| WORDS.iter().any(|word| text.contains(word)))
        .collect();
    assert!(messages.len() > 40, "{} messages promise something", messages.len());
    let is_known = |text: &&String| FOLLOWED.iter().any(|(part, _)| text.contains(part));
    let unknown: Vec<_> = messages.iter().filter(|text| !is_known(text)).collect();
    assert!(unknown.is_empty(), "these promise something, and no row names a test: {unknown:#?}");
    let is_stale = |part: &&str| !messages.iter().any(|text| text.contains(*part));
    let stale: Vec<_> = FOLLOWED.iter().map(|(part, _)| *part).filter(is_stale).collect();
    assert!(stale.is_empty(), "no message says this any more: {stale:#?}");
}

#[test]
fn each_test_that_keeps_a_promise_exists() {
    let all: String = ["src", "tests"].into_iter().flat_map(sources).map(|(_, text)| text).collect();
    let named: BTreeSet<_> = FOLLOWED.iter().map(|(_, test)| *test).collect();
    let missing: Vec<_> = named.into_iter().filter(|test| !all.contains(&format!("fn {test}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// The Rust files below a folder, with their paths.
fn sources(folder: &str) -> Vec<(String, String)> {
    let paths = file::rust_files(folder).into_iter();
    paths.map(|path| (path.to_string_lossy().into_owned(), file::read(path))).collect()
}

/// The texts of a source file, without those of its comments and of its tests.
fn literals(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("'\"'", "' '");
    let mut texts = Vec::new();
    let mut text: Option<String> = None;
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        match (&mut text, character) {
            (None, '"') => text = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => texts.extend(text.take()),
            (Some(_), '\\') if characters.peek() == Some(&'\n') => {
                while characters.peek().is_some_and(|next| next.is_whitespace()) {
                    characters.next();
                }
            }
            (Some(text), '\\') => text.extend(characters.next()),
            (Some(text), _) => text.push(character),
        }
    }
    texts
}
