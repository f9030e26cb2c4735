//! The contract of all drivers: the calls, their requests, and the facts that they come back with.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

pub use crate::lifecycle::{
    Capabilities, CredentialKind, Failure, FailureKind, Found, Parameters, RetryAfter,
};
use crate::lifecycle::{Identity, naming};

/// A driver: the calls of one provider. The border makes a [`Provider`] of it, whose calls can be
/// reached only if the capabilities have them, so a driver leaves the others out.
#[async_trait]
pub(super) trait Driver: Send + Sync {
    /// Returns [`Provider::capabilities`].
    fn capabilities(&self) -> &Capabilities;

    /// Returns [`Provider::identity`].
    fn identity(&self) -> Option<&str> {
        None
    }

    /// Returns [`Provider::fields`].
    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String>;

    /// Does the work of [`Provider::probe`].
    async fn probe(&self) -> Result<(), Failure>;

    /// Does the work of [`Provider::verify`].
    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure>;

    /// Does the work of [`Issuer::create`].
    async fn create(&self, _: &CreateRequest) -> Result<Issued, NotIssued> {
        Err(by_a_person().into())
    }

    /// Does the work of [`Lister::find`].
    async fn find(&self, _: &FindRequest) -> Result<Vec<Found>, Failure> {
        Err(by_a_person())
    }

    /// Does the work of [`Revoker::revoke`].
    async fn revoke(&self, _: &RevokeRequest) -> Result<Revocation, Failure> {
        Err(by_a_person())
    }

    /// Does the work of [`Provider::close`].
    async fn close(&self) {}
}

/// A provider account, as the lifecycle's steps need it.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Returns the capabilities of this provider.
    fn capabilities(&self) -> &Capabilities;

    /// Returns our identity at the provider: the public part of the login, for example its client
    /// ID. Never revoked, never handed out.
    fn identity(&self) -> Option<&str>;

    /// The value of [`Issued::fields`] for a pair with these scopes, by the settings and by the
    /// provider's last answer. Empty while that is not known. A `scope` may be missing: it is the
    /// one that the pair was issued with.
    fn fields(&self, _scopes: &[String]) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The requests a minute that the account is asked at the most, while it lets fewer pass than
    /// its limits allow.
    fn requests_per_minute(&self) -> Option<u32> {
        None
    }

    /// Returns the call that makes credentials. `None` if a person makes them
    /// ([`Creation::Person`](crate::lifecycle::capability::Creation::Person)).
    fn issuer(&self) -> Option<&dyn Issuer> {
        None
    }

    /// Returns the call that lists credentials. `None` if there is no list
    /// ([`Capabilities::can_list`]).
    fn lister(&self) -> Option<&dyn Lister> {
        None
    }

    /// Returns the call that revokes credentials. `None` if a person removes them
    /// ([`Capabilities::can_revoke`]).
    fn revoker(&self) -> Option<&dyn Revoker> {
        None
    }

    /// Checks that the login works or, without a login, that the provider answers. Changes nothing.
    async fn probe(&self) -> Result<(), Failure>;

    /// Tries a pair where workloads will use it. Only called where [`Capabilities::verify`] says
    /// so.
    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure>;

    /// Ends what the login has opened at the provider, such as a session, if there is anything.
    /// Called when this driver is no longer used; it takes some seconds at the most.
    async fn close(&self) {}
}

/// A provider that makes credentials.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Makes a credential. Sent at most once by each call; if the request may have had an effect
    /// and its answer is not to be had or not to be believed, the failure is
    /// [`FailureKind::Ambiguous`] or [`FailureKind::Malformed`].
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued>;
}

/// A provider that lists its credentials.
#[async_trait]
pub trait Lister: Send + Sync {
    /// Returns all credentials whose name contains the tag, from all pages.
    async fn find(&self, request: &FindRequest) -> Result<Vec<Found>, Failure>;
}

/// A provider that revokes credentials.
#[async_trait]
pub trait Revoker: Send + Sync {
    /// Makes a credential invalid. Safe to repeat.
    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure>;
}

/// Returns a call of a provider, for those who need it.
///
/// # Errors
/// If the provider does not have it.
pub fn needed<C: ?Sized>(call: Option<&C>) -> Result<&C, Failure> {
    call.ok_or_else(by_a_person)
}

fn by_a_person() -> Failure {
    Failure::new(FailureKind::Rejected, "only a person can do that at this provider")
}

/// Returns whether a text can be one half of a pair: RFC 6749 (appendices A.1 and A.2) spells both
/// in visible ASCII and spaces.
pub(super) fn is_half(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the first thing that is wrong with an answer: each is a test with the rest of the
/// sentence that begins with `answered`.
pub(super) fn believed<const N: usize>(answered: &str, wrong: [(bool, &str); N]) -> Result<(), String> {
    match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, why)) => Err(format!("{answered} {why}")),
        None => Ok(()),
    }
}

/// Returns whether `told` is the name that was `asked` for, maybe cut by the provider. Nothing else
/// may be revoked because it is in an answer: some servers answer a create with a credential that
/// somebody else made before.
pub(super) fn is_named_alike(told: &str, asked: &str) -> bool {
    told == asked || naming::parts(asked).is_some_and(|(tag, _)| told.contains(tag))
}

/// The request for a credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateRequest {
    /// The unique name to give it.
    pub name: String,
    /// The values of [`Capabilities::parameters`].
    pub parameters: Parameters,
    /// Scopes, in the provider's creation spelling; empty means the provider's default.
    pub scopes: Vec<String>,
    /// The end of its life, where the provider can enforce one.
    pub expires_at: Option<Timestamp>,
    /// The time of the request, where the provider counts a life in seconds.
    pub now: Timestamp,
    /// The subnets from which it may be used.
    pub subnets: Vec<String>,
}

/// A credential that a provider made. Like all types that hold a secret, not `Debug`. None of it is
/// long: `border.rs` sees to that for all drivers.
#[derive(Default)]
pub struct Issued {
    /// Provider-side ids by name (`credentialId`, …), as far as `revoke` needs them besides the
    /// client ID. Not secret.
    pub ids: BTreeMap<String, String>,
    /// The public half of the pair.
    pub client_id: String,
    /// The provider's ID of the secret, if that is the credential
    /// ([`Capabilities::kind`]). It is listed under the same one.
    pub secret_id: Option<String>,
    /// The secret half.
    pub client_secret: SecretString,
    /// The time at which the provider ends it by itself.
    pub expires_at: Option<Timestamp>,
    /// A secret that only the driver needs, to revoke it (an RFC 7592 registration access token).
    pub handle: Option<SecretString>,
    /// More keys for the Secret that workloads read, such as `token_url`, and `scope` as the token
    /// endpoint spells it. Not secret.
    pub fields: BTreeMap<String, String>,
    /// More keys under which workloads read the secret, where their protocol calls it otherwise.
    pub secret_aliases: Vec<String>,
}

/// A create that came to no credential that can be used.
pub struct NotIssued {
    /// The reason.
    pub failure: Failure,
    /// The credential that was made all the same, as far as the answer contains it: it is to be
    /// revoked. A secret that the answer does not contain is empty.
    pub made: Option<Box<Issued>>,
}

impl NotIssued {
    /// Returns the issued credential.
    ///
    /// # Errors
    /// If the answer is `untrue`. The credential is to be revoked then, if it `is_ours`.
    pub fn unless(
        untrue: Result<(), impl Into<String>>,
        issued: Issued,
        is_ours: bool,
    ) -> Result<Issued, Self> {
        let Err(why) = untrue else { return Ok(issued) };
        let made = (is_ours && !issued.client_id.is_empty()).then(|| Box::new(issued));
        Err(Self { failure: Failure::new(FailureKind::Malformed, why), made })
    }
}

impl From<Failure> for NotIssued {
    fn from(failure: Failure) -> Self {
        Self { failure, made: None }
    }
}

/// The request for all credentials with a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindRequest {
    /// A part of their names.
    pub tag: String,
    /// The values of the parameters by which the provider lists.
    pub place: Parameters,
}

/// The request to try a pair.
#[derive(Default)]
pub struct VerifyRequest {
    /// The public half.
    pub client_id: String,
    /// The secret half.
    pub client_secret: SecretString,
    /// The scopes it was issued with, in the creation spelling.
    pub scopes: Vec<String>,
    /// The parameters it was made with.
    pub parameters: Parameters,
}

/// The provider's verdict on a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Accepted,
    /// It is refused: wrong, expired, revoked, or not propagated yet.
    Refused,
}

/// The request to revoke a credential.
#[derive(Default)]
pub struct RevokeRequest {
    /// The public half of the pair.
    pub client_id: String,
    /// The provider's ID of the secret, as in [`Issued::secret_id`].
    pub secret_id: Option<String>,
    /// Provider-side ids, as in [`Issued::ids`].
    pub ids: BTreeMap<String, String>,
    /// The parameters it was made with, as far as they are known.
    pub parameters: Parameters,
    /// The driver's handle, if it gave one.
    pub handle: Option<SecretString>,
}

impl RevokeRequest {
    /// Returns the identity of the credential.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        let secret_id = self.secret_id.as_deref();
        Identity { client_id: &self.client_id, secret_id, parameters: &self.parameters }
    }
}

/// The answer to a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider says that it is done.
    Revoked,
    /// The provider does not know it. That alone proves nothing; the pair has to be tried.
    NotFound,
}
