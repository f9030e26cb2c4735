//! The AppRole method of OpenBao and HashiCorp Vault: secret IDs of a role that stays, several at
//! once, with an end and with subnets (<https://openbao.org/api-docs/auth/approle/>).
//!
//! Pitfalls: a secret ID has no name, so that is in its metadata. A wrong token and a missing right
//! are one answer, 403. What does not exist any more is 404, 204 or 500, and the reason is in a
//! sentence. A login makes a token. Five logins with a wrong secret ID lock the whole role, so a
//! secret ID is looked up before it is tried.

mod login;
mod secret_ids;
mod site;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::{
    login::Login,
    secret_ids::Names,
    site::{LOCKED, Site, WRONG_PLACE},
    wire::Refusal,
};
use super::{
    contract::*,
    http::{Answer, Call, Http, Operation},
    setup::{self, LoginData, SetupError, below, value_below},
    usual,
};
use crate::{
    api,
    lifecycle::{Expiry, Moved, Parameter, Pattern},
};

/// The driver's name, as in the spec.
const NAME: &str = "appRole";
const NEEDS: &str = "role_id and secret_id, or token";

/// The keys that are read of a login.
pub(super) const KEYS: &[&str] = &["role_id", "secret_id", "token"];

/// The parameter that names the role.
const ROLE: &str = "role";
/// The role names that the server takes, in lower case: it makes no difference between `Orders` and
/// `orders`, but two spellings would look like two places.
const ROLES: &str = "[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?";
/// The key under which agents look for the secret.
const SECRET_ID: &str = "secret_id";
/// The longest name in the metadata, in characters.
const NAME_MAX: usize = 128;

// The server's sentences. They are only compared, never shown: they repeat values of the request.
const UNKNOWN_ACCESSOR: &str = "failed to find accessor entry";
const NO_SUCH_ROLE: &str = "does not exist";
const TOO_LONG: &str = "ttl cannot be longer than the role's secret_id_ttl";
const WRONG_SUBNETS: [&str; 2] =
    ["failed to validate CIDR blocks", "failed to verify subset relationship between CIDR blocks"];
const NO_SECRET_IDS: &str = "bind_secret_id is not set on the role";
const WRONG_PAIR: &str = "invalid role or secret ID";
const ELSEWHERE: [&str; 2] = ["source address", "unauthorized"];

/// The advice for a role that does not exist.
const WRONG_ROLE: &str = "correct spec.parameters.role, or create the role at the server";
/// The advice for a call that is denied.
const NO_RIGHT: &str =
    "the policies of the login lack a right for this role; the page of the provider lists them all";

/// The immutable fields of a block.
pub(super) fn account(block: &api::AppRole) -> Vec<String> {
    vec![block.base_url.clone(), block.mount.clone(), block.namespace.clone().unwrap_or_default()]
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::AppRole,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<AppRole, SetupError> {
    let site = Arc::new(Site::new(block, http)?);
    let login = Login::new(&setup::Login::new((NAME, NEEDS), KEYS, login)?, &site)?;
    let namespace = block.namespace.clone().map(|namespace| ("namespace", namespace));
    let fields = [("base_url", block.base_url.clone()), ("mount", block.mount.clone())];
    let fields = fields.into_iter().chain(namespace).map(|(key, value)| (key.to_owned(), value));
    Ok(AppRole {
        site,
        login,
        fields: fields.collect(),
        names: Names::default(),
        capabilities: capabilities(block),
    })
}

fn capabilities(block: &api::AppRole) -> Capabilities {
    let api::AppRole { base_url, mount, .. } = block;
    let role = Parameter {
        name: ROLE.into(),
        what: "the name of a role, in lower case".into(),
        pattern: role_names(),
        lists: true,
    };
    Capabilities {
        place: format!("{base_url} with bao write auth/{mount}/role/ROLE/secret-id-accessor/destroy"),
        tells_elsewhere: true,
        expiry: Expiry::Instant,
        parameters: vec![role],
        subnets: true,
        name_max: NAME_MAX,
        ..usual::secrets_of_a_client("OpenBao or Vault")
    }
}

#[expect(clippy::expect_used, reason = "a constant that a test builds")]
fn role_names() -> Pattern {
    Pattern::new(ROLES).expect("it is a pattern")
}

/// An account: a mount of the method.
pub(super) struct AppRole {
    site: Arc<Site>,
    login: Login,
    fields: BTreeMap<String, String>,
    names: Names,
    capabilities: Capabilities,
}

/// A role, and its addresses.
struct Role {
    name: String,
    role_id: Url,
    secret_ids: Url,
    look_up: Url,
    destroy: Url,
    look_up_secret: Url,
}

#[async_trait]
impl Driver for AppRole {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        self.login.identity()
    }

    fn fields(&self, _scopes: &[String]) -> BTreeMap<String, String> {
        self.fields.clone()
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.login.probe().await
    }

    async fn close(&self) {
        self.login.close().await;
    }

    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        let role = self.role(&request.parameters)?;
        let call = Call::create("the request for a secret ID");
        let role_id = call.preparing(async { Ok(self.role_id(&role).await) }).await?;
        let client_id = role_id.map_err(before_the_request)?;
        let ttl = request.expires_at.map(|end| seconds_until(end, request.now));
        let body = wire::Request::new(&request.name, ttl, &request.subnets);
        let post = || self.site.request(Method::POST, &role.secret_ids).json(&body);
        let answer = self.login.call(&call, post).await?;
        if !answer.is_success() {
            return Err(not_made(&answer, &call).into());
        }
        let made: wire::Made = wire::content(&answer, &call)?;
        let untrue = check(&made, ttl);
        let is_ours = is_accessor(&made.secret_id_accessor);
        let life = made.secret_id_ttl.filter(|seconds| *seconds > 0);
        let issued = Issued {
            client_id,
            expires_at: life.map(|seconds| request.now.later(SignedDuration::from_secs(seconds.into()))),
            secret_id: Some(made.secret_id_accessor),
            client_secret: made.secret_id,
            fields: self.fields.clone(),
            secret_aliases: vec![SECRET_ID.to_owned()],
            ..Issued::default()
        };
        NotIssued::unless(untrue, issued, is_ours)
    }

    async fn find(&self, FindRequest { tag, place }: &FindRequest) -> Result<Vec<Found>, Failure> {
        let role = self.role(place)?;
        let named = self.named(&role, tag).await?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let client_id = self.role_id(&role).await?;
        let found = |(accessor, name)| Found {
            name,
            client_id: client_id.clone(),
            secret_id: Some(accessor),
            ..Found::default()
        };
        Ok(named.into_iter().map(found).collect())
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        // Without its role it can only be tried.
        if request.parameters.contains_key(ROLE) {
            let role = self.role(&request.parameters)?;
            if !self.may_exist(&role, &request.client_secret).await? {
                return Ok(Verdict::Refused);
            }
        }
        let call = Call::read(Operation::Verify, "the login with the pair");
        let answer = self.site.log_in(&call, &request.client_id, &request.client_secret).await?;
        let refusal = Refusal::of(&answer, &call);
        match answer.said() {
            400 if refusal.says(WRONG_PAIR) => Ok(Verdict::Refused),
            // The pair is right, but not from here.
            400 if ELSEWHERE.iter().all(|part| refusal.says(part)) => Ok(Verdict::Accepted),
            403 => Err(answer.failure_with(&call, LOCKED)),
            404 | 405 | 410 => Err(answer.failure_with(&call, WRONG_PLACE)),
            _ => {
                let wire::Auth { client_token, .. } = wire::token(&answer.success(&call)?, &call)?;
                self.site.end(&client_token).await;
                Ok(Verdict::Accepted)
            }
        }
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        let role = self.role(&request.parameters)?;
        let Some(accessor) = request.secret_id.as_ref().filter(|accessor| is_accessor(accessor)) else {
            let message = "the secret ID to revoke is not named by an accessor";
            return Err(Failure::new(FailureKind::Rejected, message));
        };
        let call = Call::revoke("the destroy request");
        let body = json!({ "secret_id_accessor": accessor });
        let post = || self.site.request(Method::POST, &role.destroy).json(&body);
        let answer = self.login.call(&call, post).await?;
        if answer.is_success() {
            return Ok(Revocation::Revoked);
        }
        let refusal = Refusal::of(&answer, &call);
        // The secret IDs of a role end with it. Both are 500 in OpenBao, and may be 404 elsewhere.
        let is_gone = refusal.says(UNKNOWN_ACCESSOR) || refusal.says(NO_SUCH_ROLE);
        if is_gone && matches!(answer.said(), 404 | 500) {
            return Ok(Revocation::NotFound);
        }
        Err(refused(&answer, &call))
    }
}

impl AppRole {
    /// The role of these parameters. Nothing is sent for one that cannot be.
    fn role(&self, parameters: &BTreeMap<String, String>) -> Result<Role, Failure> {
        let fits = |name: &&String| self.capabilities.parameters.iter().all(|it| it.pattern.matches(name));
        let named = parameters.get(ROLE).filter(fits);
        let at = named.and_then(|name| Some((name, value_below(&self.site.roles, name)?)));
        let Some((name, role)) = at else {
            let message = "spec.parameters.role is missing, or is not the name of a role in lower case";
            return Err(Failure::new(FailureKind::Rejected, message));
        };
        let accessors = below(&role, &["secret-id-accessor"]);
        let secret_ids = below(&role, &["secret-id"]);
        Ok(Role {
            name: name.clone(),
            role_id: below(&role, &["role-id"]),
            look_up: below(&accessors, &["lookup"]),
            destroy: below(&accessors, &["destroy"]),
            look_up_secret: below(&secret_ids, &["lookup"]),
            secret_ids,
        })
    }

    async fn role_id(&self, role: &Role) -> Result<String, Failure> {
        let call = Call::read(Operation::Discover, "the request for the role ID");
        let answer = self.login.call(&call, || self.site.request(Method::GET, &role.role_id)).await?;
        if !answer.is_success() {
            return Err(refused(&answer, &call));
        }
        let wire::RoleId { role_id } = wire::content(&answer, &call)?;
        if !is_half(&role_id) {
            let message = format!("{} without a role ID", answer.answered(&call));
            return Err(Failure::new(FailureKind::Malformed, message));
        }
        Ok(role_id)
    }

    /// Returns whether a secret ID may exist. A look-up says so as well as a login does, but it
    /// counts as no failed login: after five of those, nobody can log in with the role for a
    /// quarter of an hour (<https://openbao.org/docs/concepts/user-lockout/>).
    async fn may_exist(&self, role: &Role, secret_id: &SecretString) -> Result<bool, Failure> {
        let call = Call::read(Operation::Verify, "the look-up of the secret ID");
        let body = json!({ "secret_id": secret_id.expose_secret() });
        let post = || self.site.request(Method::POST, &role.look_up_secret).json(&body);
        let answer = self.login.call(&call, post).await?;
        match answer.said() {
            204 => Ok(false),
            // There is no such role. A login says whether there is one of this role ID.
            404 | 500 if Refusal::of(&answer, &call).says(NO_SUCH_ROLE) => Ok(true),
            200 => wire::content::<wire::Properties>(&answer, &call)
                .map(|it| is_accessor(&it.secret_id_accessor)),
            _ => Err(refused(&answer, &call)),
        }
    }
}

/// The failure of a call about a role.
fn refused(answer: &Answer, call: &Call) -> Failure {
    let refusal = Refusal::of(answer, call);
    let no_role = refusal.says(NO_SUCH_ROLE) || answer.said() == 404 && refusal.is_of_nothing();
    match answer.said() {
        400 | 404 | 500 if no_role => {
            Failure { kind: FailureKind::Unexplained, ..answer.failure_with(call, WRONG_ROLE) }
        }
        403 => answer.failure_with(call, NO_RIGHT),
        // It says nothing of any secret ID.
        404 | 405 | 410 => {
            Failure { kind: FailureKind::Unexplained, ..answer.failure_with(call, WRONG_PLACE) }
        }
        _ => answer.failure(call),
    }
}

/// The failure of a create that was answered, and made nothing.
fn not_made(answer: &Answer, call: &Call) -> Failure {
    let refusal = Refusal::of(answer, call);
    let final_with = |advice| Failure { kind: FailureKind::Rejected, ..answer.failure_with(call, advice) };
    if refusal.says(TOO_LONG) {
        return final_with("correct spec.lifetime, or raise secret_id_ttl of the role");
    }
    // With 500, although the request is to blame.
    if WRONG_SUBNETS.iter().any(|text| refusal.says(text)) {
        return final_with(
            "correct spec.subnets, which must be CIDRs within secret_id_bound_cidrs of the role",
        );
    }
    if refusal.says(NO_SECRET_IDS) {
        return final_with("set bind_secret_id of the role to true");
    }
    match answer.said() {
        // A 5xx without a known reason may be of a request that was carried out.
        500.. => answer.failure(call),
        _ => refused(answer, call),
    }
}

/// The failure of a call that came before the request for a secret ID. It made nothing, and is no
/// verdict on the request, unless the role does not exist or the login may not read it.
fn before_the_request(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Malformed
        | FailureKind::Ambiguous
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Rejected => Failure { kind: FailureKind::Unavailable, ..failure },
        _ => failure,
    }
}

/// The whole seconds until the end of a life, at least one: zero would mean that there is none.
fn seconds_until(end: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(end.duration_since(now).as_secs()).unwrap_or_default().max(1)
}

/// Accessors are UUIDs. Others are taken, but nothing that no server would give.
fn is_accessor(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Returns an error if an answer to a create cannot be true, or its secret ID cannot be used.
fn check(made: &wire::Made, asked: Option<u64>) -> Result<(), String> {
    let uses = made.secret_id_num_uses.unwrap_or_default();
    let life = made.secret_id_ttl.map(u64::from);
    let lives_longer = asked.is_some_and(|asked| life.is_some_and(|life| life == 0 || life > asked));
    let limited = format!(
        "with a secret ID that is good for {uses} logins; each verification and each login uses one up, so set \
         secret_id_num_uses of the role to 0"
    );
    let wrong = [
        (!is_half(made.secret_id.expose_secret()), "without a secret ID"),
        (!is_accessor(&made.secret_id_accessor), "without an accessor"),
        (life.is_none(), "without secret_id_ttl"),
        (uses > 0, limited.as_str()),
        (lives_longer, "with a later end than requested"),
    ];
    believed("OpenBao or Vault answered the request for a secret ID", wrong)
}

#[cfg(test)]
mod tests;
