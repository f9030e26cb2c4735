//! The view of the stage: a table, or sentences if there is no terminal to redraw one.

use credwright::api::{ApiCredential, ApiCredentialStatus, CredentialStatus};
use jiff::Timestamp;

use crate::stage::{Actor, View};

/// The whole table, a line for each.
pub(crate) fn lines(actors: &[Actor], seconds: f64) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<15}{:<15}{:<7}{:<24}{:<9}{:<25}AT THE PROVIDER ({seconds:.0} s)",
            "OBJECT", "PROVIDER", "READY", "CREDENTIALS", "RENEWS", "TOKEN REQUESTS"
        ),
    ];
    lines.extend(actors.iter().map(line));
    lines.push(String::new());
    lines
}

fn line(actor: &Actor) -> String {
    let View { object, seen, held, listed } = &actor.now;
    let status = object.as_ref().and_then(|object| object.status.as_ref());
    let ready = match object {
        None => "gone",
        Some(object) if object.metadata.deletion_timestamp.is_some() => "ending",
        Some(object) => condition(object, "Ready").map_or("-", |it| it.status.as_str()),
    };
    let alive = status.iter().flat_map(|it| &it.credentials).filter(|it| it.state != "Revoked");
    let states: Vec<String> = alive.map(|it| format!("{} {}", it.revision, it.state)).collect();
    let renews = status.and_then(|it| it.renewal_time).map_or_else(|| "-".to_owned(), from_now);
    let tokens = match &actor.consumer {
        Some(_) => format!("{} accepted, {} refused", seen.accepted, seen.refused),
        None => "the workload is down".to_owned(),
    };
    format!(
        "{:<15}{:<15}{ready:<7}{:<24}{renews:<9}{tokens:<25}{}, the ledger lists {}",
        actor.name,
        actor.part.title,
        states.join(", "),
        held.len(),
        listed.len()
    )
}

fn condition<'a>(
    object: &'a ApiCredential,
    type_: &str,
) -> Option<&'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    object.status.as_ref()?.conditions.iter().find(|it| it.type_ == type_)
}

/// Returns the conditions of an object as text.
pub(crate) fn in_words(object: &ApiCredential) -> String {
    condition(object, "Ready").map_or_else(String::new, |it| format!("{}: {}", it.reason, it.message))
}

/// Returns the state of a credential as a sentence, for output without a table.
pub(crate) fn sentence(credential: &CredentialStatus, status: &ApiCredentialStatus) -> String {
    let CredentialStatus { revision, state, reason, .. } = credential;
    if state == "Revoked" {
        return format!("revision {revision} is Revoked: the provider refuses it");
    }
    let beside = status.credentials.iter().find(|it| it.state == "Retiring");
    let beside = beside.and_then(|old| {
        let left = old.revoke_at?.duration_since(Timestamp::now()).as_secs_f64();
        Some(format!("; revision {} works on for {left:.0} s", old.revision))
    });
    format!("revision {revision} is in the Secret ({}){}", reason.as_str(), beside.unwrap_or_default())
}

fn from_now(at: Timestamp) -> String {
    let seconds = at.duration_since(Timestamp::now()).as_secs_f64();
    match seconds {
        ..0.0 => "now".to_owned(),
        0.0..200.0 => format!("in {seconds:.0} s"),
        _ => format!("in {:.0} d", seconds / 86_400.0),
    }
}
