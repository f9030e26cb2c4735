//! Listing API tokens and deleting them.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, Url};
use tokio::time::{sleep, timeout};

use super::{CloudDirector, urn, wire};
use crate::providers::{
    Failure, FailureKind, Revocation,
    http::{Answer, Call, Operation},
    listing::Listing,
    setup::{below, value_below},
};

/// The largest page that the vendor's documentation allows.
const PAGE_SIZE: usize = 128;
/// More than 12,800 tokens of one user cannot be intended.
const PAGES_MAX: usize = 100;
/// The number of times that a list which changes while it is read is started again.
const READINGS: usize = 3;

/// The longest wait for a delete that the server does asynchronously. After that the next attempt
/// sees its result.
const TASK_WAIT: Duration = Duration::from_secs(20);
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl CloudDirector {
    /// The API tokens of our own user that are `wanted`, by URN. A page may lose an entry to one
    /// before it while others come and go, so a list that changed while it was read is not
    /// believed.
    pub(super) async fn list(
        &self,
        wanted: impl Fn(&str, Option<&str>) -> bool,
    ) -> Result<BTreeMap<String, Option<String>>, Failure> {
        for _ in 0..READINGS {
            if let Some(tokens) = self.list_once(&wanted).await? {
                return Ok(tokens);
            }
        }
        let message = format!("the list of API tokens changed each of the {READINGS} times that it was read");
        Err(Failure::new(FailureKind::Unavailable, message))
    }

    async fn list_once(
        &self,
        wanted: impl Fn(&str, Option<&str>) -> bool,
    ) -> Result<Option<BTreeMap<String, Option<String>>>, Failure> {
        let call = Call::read(Operation::List, "the list request");
        let mut tokens = Listing::new(self.capabilities.title.clone(), wanted);
        let mut total = None;
        for number in 1..=PAGES_MAX {
            let answer = self.page(&call, number).await?;
            tokens.page(answer.length())?;
            let page: wire::Page = answer.json(&call)?;
            if total.is_some_and(|total| page.result_total != Some(total)) {
                return Ok(None);
            }
            total = page.result_total;
            let is_full = page.values.len() >= PAGE_SIZE;
            let is_empty = page.values.is_empty();
            page.values.into_iter().try_for_each(|it| tokens.add(it.id, it.name))?;
            // Some endpoints omit the Link header, so pages are counted, too.
            let is_more = answer.header("link").is_some_and(names_a_next_page)
                || page.page_count.map_or(is_full, |count| number < count);
            if !is_more || is_empty {
                let is_complete = total.is_none_or(|total| tokens.len() == total);
                return Ok(is_complete.then(|| tokens.kept()));
            }
        }
        let message = format!("the list of API tokens has more than {PAGES_MAX} pages");
        Err(Failure::new(FailureKind::Malformed, message))
    }

    async fn page(&self, call: &Call, number: usize) -> Result<Answer, Failure> {
        let get = || {
            let mut filter = "type==REFRESH".to_owned();
            let user = self.site.known.lock().user.clone();
            if let Some(user) = user.or_else(|| self.tokens.identity().map(str::to_owned)) {
                filter = format!("{filter};owner.name=={}", escaped(&user));
            }
            let mut url = self.tokens_url.clone();
            url.query_pairs_mut()
                .append_pair("filter", &filter)
                .append_pair("page", &number.to_string())
                .append_pair("pageSize", &PAGE_SIZE.to_string());
            self.site.request(Method::GET, &url, "application/json")
        };
        self.call(call, get).await?.success(call)
    }

    /// Deletes an API token. A missing token is answered like a forbidden one, so a refusal is
    /// examined.
    pub(super) async fn delete(&self, call: &Call, id: &str) -> Result<Revocation, Failure> {
        let answer = self.send_delete(call, id).await?;
        if !matches!(answer.status.as_u16(), 403 | 404 | 410) {
            return self.deleted(call, answer).await;
        }
        let urn = urn(id);
        if self.list(|listed, _| listed.eq_ignore_ascii_case(&urn)).await?.is_empty() {
            return Ok(Revocation::NotFound);
        }
        let refusal = answer.failure(call);
        let message = format!("{}, although the token is in the list", refusal.message);
        Err(Failure { kind: FailureKind::Forbidden, message, ..refusal })
    }

    pub(super) async fn send_delete(&self, call: &Call, id: &str) -> Result<Answer, Failure> {
        let Some(url) = value_below(&self.tokens_url, &urn(id)) else {
            let message = "the UUID of the API token cannot be a part of a URL";
            return Err(Failure::new(FailureKind::Rejected, message));
        };
        self.call(call, || self.site.request(Method::DELETE, &url, "application/json")).await
    }

    /// Returns the final result of an answer to a delete.
    pub(super) async fn deleted(&self, call: &Call, answer: Answer) -> Result<Revocation, Failure> {
        let answer = answer.success(call)?;
        if answer.status.as_u16() != 202 {
            return Ok(Revocation::Revoked);
        }
        // Our token is sent there, so it must be a task of this server.
        let tasks = below(&self.base, &["api", "task", ""]);
        let task = answer.header("location").and_then(|location| self.base.join(location).ok());
        let Some(task) = task.filter(|task| is_below(task, &tasks)) else {
            return Err(Failure::new(
                FailureKind::Unavailable,
                "Cloud Director will delete the API token in its own time, and names no task of its own to watch",
            ));
        };
        let late =
            || Failure::new(FailureKind::Unavailable, "Cloud Director is still deleting the API token");
        timeout(TASK_WAIT, self.done(&task)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn done(&self, task: &Url) -> Result<Revocation, Failure> {
        let call = Call::read(Operation::Revoke, "the request for the task that deletes the API token");
        // The older API, which has the tasks, answers in XML unless it is asked.
        let get = || self.site.request(Method::GET, task, "application/*+json");
        let mut pause = FIRST_LOOK;
        loop {
            sleep(pause).await;
            let answer = self.call(&call, get).await?.success(&call)?;
            let task: wire::Task = answer.json(&call)?;
            match task.status.as_str() {
                "success" => return Ok(Revocation::Revoked),
                "error" | "canceled" | "aborted" => {
                    let message =
                        format!("Cloud Director's task to delete the API token ended as {}", task.status);
                    return Err(Failure::new(FailureKind::Unavailable, message));
                }
                _ => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }
}

/// A value of a FIQL filter.
pub(super) fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | ';' | ',' | '(' | ')' | '=' | '!' | '<' | '>' | '*') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns whether a `Link` header (RFC 8288) has a link to the next page. The link itself is not
/// followed: the next page has the next number.
pub(super) fn names_a_next_page(link: &str) -> bool {
    link.split([',', ';']).any(|part| {
        let (key, value) = part.trim().split_once('=').unwrap_or_default();
        key.eq_ignore_ascii_case("rel") && value.trim_matches('"') == "nextPage"
    })
}

/// Returns whether a URL is of the same server, and below another.
pub(super) fn is_below(url: &Url, above: &Url) -> bool {
    url.origin() == above.origin()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path().starts_with(above.path())
}
