use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use credwright_harness::{
    port::free_address,
    proxy::{Asked, Proxy as Server},
    tls::{self, Authority},
};
use ipnet::IpNet;
use reqwest::Method;

use super::*;
use crate::{
    api::{self, ProviderSettings, Tls},
    providers::http::{EgressRanges, Operation, ProviderProxy, body::Bound, client::Clients, proxy::Route},
};

/// A provider with a certificate of its own, and a proxy.
struct Scene {
    authority: Authority,
    provider: tls::Server,
    proxy: Server,
}

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new().unwrap();
        let provider = tls::Server::start(&authority, None, None).await.unwrap();
        Self { authority, provider, proxy: Server::start().await.unwrap() }
    }

    fn settings(&self, proxy: Option<api::Proxy>) -> ProviderSettings {
        let ca_bundle = Some(BASE64_STANDARD.encode(self.authority.pem()));
        ProviderSettings {
            tls: Some(Tls { ca_bundle, ..Tls::default() }),
            proxy,
            ..ProviderSettings::default()
        }
    }

    /// Calls a provider through the operator's proxy.
    async fn call(&self, policy: &EgressPolicy, url: &str) -> Result<(), String> {
        let proxy = Some(ProviderProxy::new(&self.proxy.url(), None).unwrap());
        called(&EgressPolicy { proxy, ..policy.clone() }, &self.settings(None), url).await
    }

    fn asked(&self) -> Vec<String> {
        self.proxy.asked().into_iter().map(|asked| asked.what).collect()
    }

    /// The CONNECT that leads to the provider.
    fn connect(&self) -> String {
        self.provider.url().replace("https://", "CONNECT ")
    }
}

async fn called(policy: &EgressPolicy, settings: &ProviderSettings, url: &str) -> Result<(), String> {
    let clients = Clients::new(policy, settings).map_err(|error| error.message())?;
    let request = clients.request(Method::GET, &url.parse().unwrap());
    let answer = clients.exchange(request, &Bound::of(Operation::Verify)).await;
    answer.map(drop).map_err(|broken| broken.message)
}

fn policy(allow: &[&str], private_allowed: bool) -> EgressPolicy {
    let allow = allow.iter().map(|range| range.parse::<IpNet>().unwrap()).collect();
    let ranges = EgressRanges { allow, ..EgressRanges::default() };
    EgressPolicy { ranges: ranges.into(), private_allowed, ..EgressPolicy::default() }
}

fn loopback() -> EgressPolicy {
    policy(&["127.0.0.0/8", "::1/128"], false)
}

fn at(url: &str) -> Option<api::Proxy> {
    Some(api::Proxy { url: Some(url.to_owned()), direct: None })
}

#[tokio::test]
async fn a_proxy_gets_the_name_of_the_provider_and_never_a_request() {
    let scene = Scene::new().await;
    assert_eq!(scene.call(&loopback(), &scene.provider.url()).await, Ok(()));
    assert_eq!(scene.asked(), [scene.connect()]);
    assert_eq!(scene.provider.accepted(), 1);

    let said = scene.call(&loopback(), "http://127.0.0.1:9/").await.unwrap_err();
    assert!(said.starts_with("127.0.0.1:9 is not reached through a proxy, which could read"), "{said}");
    assert_eq!(scene.asked().len(), 1);
}

#[tokio::test]
async fn the_proxy_of_a_provider_replaces_that_of_the_operator() {
    let scene = Scene::new().await;
    let dead = Some(ProviderProxy::new("http://127.0.0.1:9", None).unwrap());
    let policy = EgressPolicy { proxy: dead, ..loopback() };
    let url = scene.provider.url();
    let own = scene.settings(at(&scene.proxy.url()));
    assert_eq!(called(&policy, &own, &url).await, Ok(()));
    assert_eq!(scene.asked(), [scene.connect()]);

    let direct = scene.settings(Some(api::Proxy { url: None, direct: Some(true) }));
    assert_eq!(called(&policy, &direct, &url).await, Ok(()));
    assert_eq!(scene.asked().len(), 1);
    let said = called(&policy, &direct, "https://127.0.0.1:9/").await.unwrap_err();
    assert_eq!(
        said,
        "127.0.0.1:9 refuses connections (it is reached directly, because spec.proxy.direct is true)"
    );
}

#[tokio::test]
async fn the_guard_judges_a_provider_before_the_proxy_hears_of_it() {
    let scene = Scene::new().await;
    // A label of DNS has at most 63 characters.
    let nowhere = format!("https://{}.example/", "x".repeat(64));
    for (private_allowed, url, message) in [
        (false, "https://127.0.0.1/", "127.0.0.1 is a loopback address"),
        (true, "https://127.0.0.1/", "127.0.0.1 is a loopback address"),
        (true, "https://localhost/", "1 is a loopback address"),
        (true, "https://169.254.169.254/", "169.254.169.254 is a metadata service"),
        (false, "https://10.0.0.1/", "10.0.0.1 is a private address"),
        (false, "https://8.8.8.8:8443/", "8.8.8.8 is to be reached without https or at another port"),
        (false, &nowhere, "cannot be resolved here"),
    ] {
        let said = scene.call(&policy(&[], private_allowed), url).await.unwrap_err();
        assert!(said.contains(message), "{url}: {said}");
        assert_eq!(scene.asked(), [""; 0], "{url}");
    }
    // A shared provider may have a name that only the proxy can resolve.
    scene.proxy.refuse_with(Some(502));
    scene.call(&policy(&[], true), &nowhere).await.unwrap_err();
    assert_eq!(scene.asked()[0], format!("CONNECT {}.example:443", "x".repeat(64)));
}

#[test]
fn the_proxy_may_choose_any_address_of_a_name_so_all_of_them_have_to_be_allowed() {
    let judged = |url: &str, found: &[&str]| {
        let found = found.iter().map(|address| address.parse().unwrap());
        judged(&policy(&[], false), &url.parse().unwrap(), found)
    };
    let usual = "https://acme.example/";
    assert!(judged(usual, &["8.8.8.8", "2606:4700::1111"]).is_ok());
    assert!(judged(usual, &["8.8.8.8", "10.0.0.1"]).is_err());
    assert!(judged("https://acme.example:8443/", &["8.8.8.8"]).is_err(), "the port counts, too");
}

#[tokio::test]
async fn the_proxy_that_a_tenant_names_is_judged_like_a_provider() {
    let scene = Scene::new().await;
    let settings = scene.settings(at(&scene.proxy.url()));
    let public = "https://8.8.8.8/";
    for private_allowed in [false, true] {
        let said = called(&policy(&[], private_allowed), &settings, public).await.unwrap_err();
        assert!(said.starts_with("the proxy 127.0.0.1:"), "{said}");
        assert!(said.contains(" (spec.proxy.url): 127.0.0.1 is a loopback address"), "{said}");
        let named = scene.settings(at(&scene.proxy.url().replace("127.0.0.1", "localhost")));
        let said = called(&policy(&[], private_allowed), &named, public).await.unwrap_err();
        assert!(said.contains(" (spec.proxy.url): "), "{said}");
        assert!(said.contains("1 is a loopback address"), "{said}");
    }
    assert_eq!(scene.asked(), [""; 0]);
    // Only the ranges of the flag let a tenant use a proxy without TLS, or at another port.
    let way = |url: &str, private_allowed| {
        let route = Route::of(at(url).as_ref(), None).unwrap();
        way(route.proxy().unwrap(), &policy(&[], private_allowed))
    };
    assert_eq!(way("http://proxy.example:3128", false), Some(Way::ByLeave));
    assert_eq!(way("https://proxy.example", false), Some(Way::Usual));
    assert_eq!(way("http://proxy.example:3128", true), Some(Way::Usual));
}

#[tokio::test]
async fn a_failure_of_the_proxy_is_told_from_one_of_the_provider() {
    let scene = Scene::new().await;
    let (place, shown) = (&scene.connect()[8..], scene.proxy.url().replace("http://", "the proxy "));
    for (status, message) in [
        (403, format!("answered 403 to CONNECT {place}: have this name and port allowed there, or set")),
        (502, format!("answered 502 to CONNECT {place}: have this name and port allowed there, or set")),
        (
            407,
            format!(
                "answered 407 to CONNECT {place}, it requires a login: start Credwright with \
                 --provider-proxy-credentials"
            ),
        ),
    ] {
        scene.proxy.refuse_with(Some(status));
        let said = scene.call(&loopback(), &scene.provider.url()).await.unwrap_err();
        assert!(said.starts_with(&format!("{shown} (--provider-proxy) {message}")), "{said}");
    }
    let own = scene.settings(at(&scene.proxy.url()));
    let said = called(&loopback(), &own, &scene.provider.url()).await.unwrap_err();
    assert!(
        said.ends_with("requires a login: only the proxy of --provider-proxy can have a login"),
        "{said}"
    );
    assert_eq!(scene.provider.accepted(), 0);

    let dead = free_address().unwrap();
    let unreachable = format!("http://{dead}");
    let said = called(&loopback(), &scene.settings(at(&unreachable)), &scene.provider.url()).await;
    let expected = format!("the proxy {dead} (spec.proxy.url) refuses connections: check spec.proxy.url");
    assert_eq!(said, Err(expected));
    let no_tls = scene.proxy.url().replace("http://", "https://");
    let said = called(&loopback(), &scene.settings(at(&no_tls)), &scene.provider.url()).await.unwrap_err();
    assert!(said.starts_with("no TLS connection to the proxy 127.0.0.1:"), "{said}");
    assert!(said.ends_with("; it does not speak TLS: name it with http://"), "{said}");
}

#[tokio::test]
async fn the_login_of_the_proxy_is_read_again_when_it_has_changed() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let proxy = ProviderProxy::new(&scene.proxy.url(), Some(file.clone())).unwrap();
    let policy = EgressPolicy { proxy: Some(proxy), ..loopback() };
    // One account for all of it: nothing is built again.
    let clients = Clients::new(&policy, &scene.settings(None)).unwrap();
    let url = scene.provider.url().parse().unwrap();
    for (content, login) in [
        ("wright:one\n", Some("wright:one")),
        ("wright:t:w@o/%41#ü?", Some("wright:t:w@o/%41#ü?")),
        ("no login", None),
    ] {
        fs::write(&file, content).unwrap();
        let request = clients.request(Method::GET, &url);
        clients.exchange(request, &Bound::of(Operation::Verify)).await.map_err(|it| it.message).unwrap();
        let login = login.map(|login| format!("Basic {}", BASE64_STANDARD.encode(login)));
        let asked = Asked { what: scene.connect(), login };
        assert_eq!(scene.proxy.asked().pop(), Some(asked), "{content}");
    }
    scene.proxy.refuse_with(Some(407));
    let request = clients.request(Method::GET, &url);
    let broken = clients.exchange(request, &Bound::of(Operation::Verify)).await.err().unwrap();
    assert!(
        broken.message.ends_with("correct the file of --provider-proxy-credentials"),
        "{}",
        broken.message
    );
}

#[test]
fn the_url_of_a_proxy_has_a_host_and_a_port_and_no_login() {
    for url in ["http://proxy.example:3128", "https://proxy.example", "http://[2001:db8::1]:3128/"] {
        assert!(ProviderProxy::new(url, None).is_ok(), "{url}");
    }
    for (url, why) in [
        ("http://me:secret@proxy.example", "it holds a user name or a password"),
        ("socks5://proxy.example", "it is not an http(s) URL"),
        ("proxy.example:3128", "it is not an http(s) URL"),
        ("http://proxy.example/pac", "a proxy has no path"),
    ] {
        let said = ProviderProxy::new(url, None).unwrap_err().message();
        assert!(said.starts_with(&format!("--provider-proxy is not a usable URL: {why}")), "{url}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
