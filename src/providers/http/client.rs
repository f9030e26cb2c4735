//! The one place where HTTP clients are built and requests leave, with the timeouts, caps and
//! guards of all of them.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, Url, header, redirect, retry};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    Answer, behind,
    body::{self, Bound},
    broken::{Broken, CONNECT_TIMEOUT, Target, Tunnel, broken, refusal, refused_by_proxy},
    classify::{retry_after, said},
    described::described,
    guard::{EgressPolicy, GuardedResolver, Way},
    material::TlsMaterial,
    proxy::{Route, place},
    tls,
};
use crate::{
    api::{ProviderSettings, Tls},
    providers::setup::SetupError,
};

/// Without a byte of the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// From the first packet to the last byte of the body.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Below the five seconds after which common servers close an idle connection: a create that meets
/// a closing one is a create whose effect is unknown.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

const NO_BUNDLE: &str = "; if the server has an authority of its own, put it into tls.caBundle, or into \
                         --ca-file for all providers";
const BUNDLE_DOES_NOT_FIT: &str =
    "; only the authorities in tls.caBundle are trusted here, and none of them issued this certificate";
const CONFIG_MAP_DOES_NOT_FIT: &str =
    "; only the authorities in tls.caBundleRef are trusted here, and none of them issued this certificate";

/// The clients of one account: one for each way, because only a client's resolver knows the
/// addresses of a name.
pub(super) struct Clients {
    usual: Client,
    by_leave: Client,
    policy: Arc<EgressPolicy>,
    route: Route,
    /// The secrets of the login.
    login: Vec<SecretString>,
    /// The advice about a certificate that is not trusted.
    on_distrust: &'static str,
}

impl Clients {
    pub(super) fn new(egress: &EgressPolicy, settings: &ProviderSettings) -> Result<Self, SetupError> {
        // The account keeps no copy of what TLS is set up from.
        let policy = Arc::new(EgressPolicy { tls: TlsMaterial::default(), ..egress.clone() });
        let route = Route::of(settings.proxy.as_ref(), egress.proxy.as_ref())?;
        let tls = tls::config(settings.tls.as_ref(), egress)?;
        let built = |way| {
            let builder = builder(&policy, &route, way).tls_backend_preconfigured(tls.clone());
            builder.build().map_err(|error| SetupError::Client(chain(&error)))
        };
        let (usual, by_leave) = (built(Way::Usual)?, built(Way::ByLeave)?);
        let on_distrust = match &settings.tls {
            Some(Tls { ca_bundle: Some(_), .. }) => BUNDLE_DOES_NOT_FIT,
            Some(Tls { ca_bundle_ref: Some(_), .. }) => CONFIG_MAP_DOES_NOT_FIT,
            _ => NO_BUNDLE,
        };
        Ok(Self { usual, by_leave, policy, route, login: Vec::new(), on_distrust })
    }

    /// Never shows any of these.
    pub(super) fn keep(&mut self, login: Vec<SecretString>) {
        self.login = login;
    }

    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let client = match self.policy.way(url) {
            Way::Usual => &self.usual,
            Way::ByLeave => &self.by_leave,
        };
        // Some providers answer with text/plain unless asked.
        client.request(method, url.clone()).header(header::ACCEPT, "application/json")
    }

    /// Sends a request and reads the answer within `bound`.
    pub(super) async fn exchange(&self, request: RequestBuilder, bound: &Bound) -> Result<Answer, Broken> {
        let (client, request) = request.build_split();
        let unbuilt = Target { place: "the provider", route: &self.route };
        let request = request.map_err(|error| broken(&error, unbuilt))?;
        let place = place(request.url());
        let target = Target { place: &place, route: &self.route };
        self.policy.check_literal(request.url()).map_err(|refused| refusal(&refused))?;
        if let Some(proxy) = self.route.proxy() {
            behind::judge(proxy, &self.policy, request.url()).await?;
        }
        let method = request.method().clone();
        let asked = request.try_clone();
        let mut answer = match client.execute(request).await {
            Ok(response) => read(response, target, bound).await,
            Err(error) => Err(self.unanswered(&error, target).await),
        };
        match &mut answer {
            Ok(answer) if !answer.is_success() => {
                answer.described = described(&answer.body, asked.as_ref(), &self.login);
            }
            Err(broken) if broken.distrusted => broken.message.push_str(self.on_distrust),
            _ => {}
        }
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        tracing::debug!(%method, place, status, "called a provider");
        answer
    }

    /// The failure for an error before any answer of the provider.
    async fn unanswered(&self, error: &reqwest::Error, target: Target<'_>) -> Broken {
        let broken = broken(error, target);
        let refusing = self.route.proxy().filter(|_| Tunnel::of(error) == Some(Tunnel::Refused));
        let Some(proxy) = refusing else { return broken };
        let status = self.status_of_connect(target.place).await;
        Broken { message: format!("{} {}", proxy.shown(), refused_by_proxy(target.place, status)), ..broken }
    }

    /// Asks a proxy that refused again, for its status: the library does not tell that of the first
    /// CONNECT.
    async fn status_of_connect(&self, place: &str) -> Option<u16> {
        // A request by plain http goes to the proxy as it is, and CONNECT names the place only.
        let asked = self.by_leave.request(Method::CONNECT, format!("http://{place}/"));
        let status = asked.send().await.ok()?.status();
        (!status.is_success()).then(|| status.as_u16())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where clients are built")]
fn builder(policy: &Arc<EgressPolicy>, route: &Route, way: Way) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("credwright/", env!("CARGO_PKG_VERSION")))
        .https_only(way == Way::Usual)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT);
    let guarded = |way| Arc::new(GuardedResolver { policy: Arc::clone(policy), way });
    let Some(proxy) = route.proxy() else { return builder.dns_resolver(guarded(way)) };
    // Behind a proxy, only the proxy's own name is resolved here.
    let builder = builder.proxy(proxy.intercepting());
    match behind::way(proxy, policy) {
        Some(way) => builder.dns_resolver(guarded(way)),
        None => builder,
    }
}

async fn read(response: Response, target: Target<'_>, bound: &Bound) -> Result<Answer, Broken> {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let headers = response.headers().clone();
    let body = match body::read(response, target, bound).await {
        Ok(body) => body,
        // The status of a refusal counts more than its body.
        Err(_) if !status.is_success() => Zeroizing::default(),
        Err(broken) => return Err(broken),
    };
    let said = said(status, &body);
    let place = target.place.to_owned();
    Ok(Answer { status, retry_after, headers, body, place, said, described: None })
}

/// An error that was built from no request: no URL can be in it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
