//! The part of a person at a provider without an API for credentials. Played by somebody who knows
//! nothing but what Credwright says to them.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use credwright_simulator::{Form, Login};

/// Returns the instructions as a list, with one step on each line.
pub(crate) fn as_a_list(asked: &str) -> String {
    let (why, steps) = asked.split_once(". To do: ").unwrap_or((asked, ""));
    // The last step ends with a command, and what comes after its sentence are notes.
    let end = steps.find("--filename=-. ").map_or(steps.len(), |at| at + "--filename=-".len());
    let (steps, notes) = (&steps[..end], steps[end..].trim_start_matches(". "));
    let mut lines = vec![format!("{why}.")];
    for step in steps.split("; ") {
        let step = step.replace(": kubectl", ":\n     kubectl").replace(" | ", "\n     | ");
        lines.push(format!("  {step}"));
    }
    if !notes.is_empty() {
        lines.push(format!("  {notes}."));
    }
    lines.join("\n")
}

/// The form of the portal, filled in as the text says.
pub(crate) fn form(asked: &str) -> Result<Form> {
    let after = |words: &str| {
        let rest = asked.split_once(words)?.1;
        Some(rest.split(';').next()?.trim().to_owned())
    };
    let list = |words: &str| {
        after(words).iter().flat_map(|it| it.split(", ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let scopes = ["choose exactly these permissions: ", "choose exactly these scopes: "].map(list);
    Ok(Form {
        name: after("create a credential named ").context("the text does not say what to name it")?,
        scopes: scopes.concat(),
        term: after("choose the term "),
        subnets: list("allow it from these subnets only: "),
    })
}

/// Returns the filled form as text for people.
pub(crate) fn in_words(form: &Form) -> String {
    let Form { name, scopes, term, subnets } = form;
    let mut words = vec![name.clone(), scopes.join(", ")];
    words.extend(term.clone());
    words.extend(subnets.iter().cloned());
    words.join("; ")
}

/// The client of which the text says that it is to be removed.
pub(crate) fn client(asked: &str) -> Result<&str> {
    let after = asked.split_once("(client ").context("the text names no client")?.1;
    Ok(after.split(')').next().unwrap_or(after))
}

/// Runs the command for a new pair: the client ID takes its place, and the secret is typed.
pub(crate) fn store(asked: &str, pair: &Login) -> Result<()> {
    let line = command(asked, "kubectl create secret")?.replace("CLIENT-ID", &pair.client_id);
    run(&line, &format!("{}\n", pair.client_secret))
}

/// Runs the command that says that a credential is gone.
pub(crate) fn say_so(asked: &str) -> Result<String> {
    let line = command(asked, "kubectl annotate")?;
    run(line, "")?;
    Ok(line.to_owned())
}

/// The command in the text, which ends with its sentence.
fn command<'a>(asked: &'a str, begins: &str) -> Result<&'a str> {
    let from = asked.find(begins).with_context(|| format!("the text has no {begins:?}"))?;
    Ok(asked[from..].split(". ").next().unwrap_or_default().trim_end_matches('.'))
}

fn run(line: &str, input: &str) -> Result<()> {
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", line]);
    let mut running = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = running.stdin.take() {
        pipe.write_all(input.as_bytes())?;
    }
    let output = running.wait_with_output()?;
    if !output.status.success() {
        bail!("{line}\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
