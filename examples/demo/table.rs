//! What people see of the stage: a table, and sentences where there is no terminal to redraw one.

use credwright::api::{ApiCredential, CredentialStatus};
use jiff::Timestamp;

use crate::stage::{Actor, View};

/// The whole table.
pub(crate) fn lines(actors: &[Actor], seconds: f64) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<10}{:<7}{:<10}{:<10}{:<10}the provider, asked with the Secret's pair right now ({seconds:.0} s)",
            "OBJECT", "READY", "REVISION", "EXPIRES", "RENEWS"
        ),
    ];
    for actor in actors {
        lines.push(first_line(actor));
        lines.extend(details(actor).map(|line| format!("          {line}")));
    }
    lines.push(String::new());
    lines
}

fn first_line(actor: &Actor) -> String {
    let View { object, seen, .. } = &actor.now;
    let status = object.as_ref().and_then(|object| object.status.as_ref());
    let state = match object {
        None => "gone".to_owned(),
        Some(object) if object.metadata.deletion_timestamp.is_some() => "ending".to_owned(),
        Some(object) => ready(object).unwrap_or("-").to_owned(),
    };
    let revision = status.and_then(|it| it.revision).map_or_else(|| "-".to_owned(), |it| it.to_string());
    let from_now = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), in_seconds);
    let (expires, renews) =
        (from_now(status.and_then(|it| it.expires_at)), from_now(status.and_then(|it| it.renewal_time)));
    let says = match (&actor.consumer, seen.last) {
        (None, _) => {
            format!("the workload is down; {} accepted, {} refused in its time", seen.accepted, seen.refused)
        }
        (_, None) => "there is no Secret yet".to_owned(),
        (_, Some(answer)) => {
            format!("{} · {} accepted, {} refused so far", word(answer), seen.accepted, seen.refused)
        }
    };
    format!("{:<10}{state:<7}{revision:<10}{expires:<10}{renews:<10}{says}", actor.name)
}

fn details(actor: &Actor) -> impl Iterator<Item = String> {
    let View { object, seen, held, listed } = &actor.now;
    let status = object.as_ref().and_then(|object| object.status.as_ref());
    let states: Vec<String> = status.iter().flat_map(|status| &status.credentials).map(short).collect();
    let states = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
    let previous =
        seen.previous.as_ref().zip(seen.previous_answer).map(|((revision, _), answer)| {
            format!("the pair before it (revision {revision}): {}", word(answer))
        });
    let is_up = actor.consumer.is_some();
    let previous = previous.filter(|_| is_up);
    let keys = if !is_up {
        "(nobody reads it)".to_owned()
    } else if seen.keys.is_empty() {
        "(not there yet)".to_owned()
    } else {
        seen.keys.join(" ")
    };
    [
        Some(format!("credentials: {states}")),
        Some(format!("Secret {}: {keys}", actor.target)),
        Some(format!("{} holds {}, the ledger lists {}", actor.which.name(), held.len(), listed.len())),
        previous,
    ]
    .into_iter()
    .flatten()
}

fn ready(object: &ApiCredential) -> Option<&str> {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|it| it.type_ == "Ready").map(|it| it.status.as_str())
}

fn short(credential: &CredentialStatus) -> String {
    let CredentialStatus { revision, state, revoke_at, .. } = credential;
    match revoke_at {
        Some(at) => format!("{revision} {state}, revoked {}", in_seconds(*at)),
        None => format!("{revision} {state}"),
    }
}

/// What has become of a credential, for people who see lines instead of a table.
pub(crate) fn sentence(credential: &CredentialStatus) -> String {
    let CredentialStatus { revision, state, reason, .. } = credential;
    let client = credential.client_id.as_deref().unwrap_or("none yet");
    match (state.as_str(), credential.revoke_at) {
        ("Active", _) => {
            format!("revision {revision} is Active: in the Secret ({}; client {client})", reason.as_str())
        }
        ("Retiring", Some(at)) => {
            format!("revision {revision} is Retiring: it works on, and is revoked {}", in_seconds(at))
        }
        ("Revoked", _) => format!("revision {revision} is Revoked: the provider refuses it"),
        (state, _) => format!("revision {revision} is {state}"),
    }
}

fn word(answer: u16) -> String {
    let word = if answer == 200 { "accepted" } else { "refused" };
    format!("{answer} {word}")
}

fn in_seconds(at: Timestamp) -> String {
    let seconds = at.duration_since(Timestamp::now()).as_secs_f64();
    if seconds >= 0.0 { format!("in {seconds:.0} s") } else { "now".to_owned() }
}
