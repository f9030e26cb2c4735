//! Listing and deleting API tokens, and the tasks that a delete may become.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::Filter;
use super::{CloudDirector, FORBIDDEN, Refusal, Session, TOKENS_PATH, UNAUTHORIZED, accept};
use crate::random::uuid;
use crate::{Credential, lock};

const URN: &str = "urn:vcloud:token:";
const PAGE_SIZE_DEFAULT: usize = 25;
const PAGE_SIZE_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    filter: Option<String>,
    page: Option<usize>,
    page_size: Option<usize>,
}

/// The tokens of all users of the organization: who wants their own has to say so.
pub(super) async fn list(
    State(director): State<Arc<CloudDirector>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    director.admitted(&headers)?;
    director.manager(&headers)?;
    let (page, size) = (asked.page.unwrap_or(1), asked.page_size.unwrap_or(PAGE_SIZE_DEFAULT));
    if page == 0 || size == 0 || size > PAGE_SIZE_MAX {
        return Err(bad("page begins at 1, and pageSize ends at 128"));
    }
    let Some(filter) = asked.filter.as_deref().map_or(Some(Filter::all()), Filter::parse) else {
        return Err(bad("the filter is not FIQL"));
    };
    let found: Vec<Value> = director
        .world
        .record
        .listed()
        .iter()
        .map(|it| director.view(it))
        .filter(|it| filter.admits(it))
        .collect();
    let pages = found.len().div_ceil(size);
    let values: Vec<&Value> = found.iter().skip((page - 1) * size).take(size).collect();
    let body = json!({
        "resultTotal": found.len(),
        "pageCount": pages,
        "page": page,
        "pageSize": size,
        "associations": null,
        "values": values,
    });
    let link = |number: usize, relation: &str| {
        let url = format!("{}{TOKENS_PATH}?page={number}&pageSize={size}", origin(&headers));
        format!(r#"<{url}>;rel="{relation}";type="application/json";model="Tokens""#)
    };
    let mut links = vec![link(1, "firstPage"), link(pages.max(1), "lastPage")];
    if page < pages {
        links.push(link(page + 1, "nextPage"));
    }
    let mut response = Json(body).into_response();
    if let Some(value) = links.join(",").parse().ok().filter(|_| director.options.links) {
        response.headers_mut().insert(header::LINK, value);
    }
    Ok(response)
}

/// The wrong door: it makes proxy and extension tokens, which are none of ours.
pub(super) async fn create(
    State(director): State<Arc<CloudDirector>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    director.admitted(&headers)?;
    Err(bad("type must be PROXY or EXTENSION"))
}

pub(super) async fn one(
    State(director): State<Arc<CloudDirector>>,
    Path(urn): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = director.reached(&headers, &urn)?;
    Ok(Json(director.view(&token)).into_response())
}

pub(super) async fn delete(
    State(director): State<Arc<CloudDirector>>,
    Path(urn): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = director.reached(&headers, &urn)?;
    if director.options.tasks.is_none() {
        director.world.record.revoke(&token.client_id);
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let id = uuid();
    lock(&director.kept).tasks.insert(id.clone(), (token.client_id, 0));
    let location = format!("{}/api/task/{id}", origin(&headers));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response())
}

/// A task is done when it has been looked at often enough, and only then is the token gone.
pub(super) async fn task(
    State(director): State<Arc<CloudDirector>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    director.admitted(&headers)?;
    director.session(&headers).ok_or(UNAUTHORIZED)?;
    let tasks = director.options.tasks.ok_or(FORBIDDEN)?;
    let (client_id, looks) = {
        let mut kept = lock(&director.kept);
        let (client_id, looks) = kept.tasks.get_mut(&id).ok_or(FORBIDDEN)?;
        *looks += 1;
        (client_id.clone(), *looks)
    };
    let status = match (looks < tasks.looks, tasks.fails) {
        (true, _) => "running",
        (false, true) => "error",
        (false, false) => {
            director.world.record.revoke(&client_id);
            "success"
        }
    };
    // The older API answers in XML unless it is asked.
    if !accept(&headers).contains("application/*+json") {
        let body = format!(r#"<Task xmlns="http://www.vmware.com/vcloud/v1.5" status="{status}"/>"#);
        let xml = [(header::CONTENT_TYPE, "application/vnd.vmware.vcloud.task+xml")];
        return Ok((xml, body).into_response());
    }
    let body = json!({ "status": status, "operationName": "tokenDelete", "name": "task" });
    Ok(Json(body).into_response())
}

impl CloudDirector {
    /// The token that a path names, if the caller may know of it.
    fn reached(&self, headers: &HeaderMap, urn: &str) -> Result<Credential, Refusal> {
        self.admitted(headers)?;
        let Session { user, .. } = self.manager(headers)?;
        let token = urn.strip_prefix(URN).and_then(|id| self.world.record.credential(id));
        let now = self.world.clock.now();
        token.filter(|it| it.is_live(now) && it.created_by.as_ref() == Some(&user)).ok_or(FORBIDDEN)
    }

    fn view(&self, token: &Credential) -> Value {
        let owner = token.created_by.as_deref().unwrap_or_default();
        json!({
            "id": format!("{URN}{}", token.client_id),
            "name": token.name,
            "token": null,
            "type": "REFRESH",
            "expirationTimeUtc": null,
            "owner": { "name": owner, "id": format!("urn:vcloud:user:{owner}") },
            "org": { "name": self.options.org, "id": format!("urn:vcloud:org:{}", self.options.org_id) },
        })
    }
}

fn bad(message: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
}

fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}")
}
