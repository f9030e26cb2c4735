//! Probes and metrics over plain HTTP. `/livez` succeeds while the process works, whatever the
//! state of the cluster, and otherwise says what hangs. `/readyz` says what is missing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    routing::get,
};
use tokio::net::TcpListener;

/// The readiness of an operator.
#[derive(Debug)]
pub struct Readiness {
    /// The obstacles to working or standing by, a sentence each. Empty if the operator is ready.
    pub missing: Vec<String>,
    /// The objects that it ignores meanwhile, a sentence each. It may be ready all the same.
    pub left_alone: Vec<String>,
}

/// The source of what the server shows.
pub trait Show: Send + Sync + 'static {
    /// Returns whether the operator is ready, and the obstacles if it is not.
    fn readiness(&self) -> Readiness;

    /// Returns the parts of the process that hang and need a restart, a sentence each. Empty while
    /// it works.
    fn hanging(&self) -> Vec<String>;

    /// Returns the metrics in the text format of OpenMetrics.
    fn metrics(&self) -> String;
}

/// Listens at an address. `[::]` stands for all addresses of both families; on a node without IPv6,
/// for those of IPv4.
///
/// # Errors
///
/// If it cannot listen there.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if is_every_v6(address) && is_without_v6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

fn is_every_v6(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified())
}

/// Recognizes the errors of a kernel without IPv6 sockets (EAFNOSUPPORT), and of one where IPv6
/// addresses are switched off.
fn is_without_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Serves until it is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, shown: Arc<dyn Show>) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown);
    axum::serve(listener, router).await
}

async fn livez(State(shown): State<Arc<dyn Show>>) -> (StatusCode, String) {
    let hanging = shown.hanging();
    if hanging.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, hanging.join("\n") + "\n")
}

async fn readyz(State(shown): State<Arc<dyn Show>>) -> (StatusCode, String) {
    let Readiness { missing: mut lines, left_alone } = shown.readiness();
    let status = if lines.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if lines.is_empty() {
        lines.push("ok".to_owned());
    }
    lines.extend(left_alone);
    (status, lines.join("\n") + "\n")
}

async fn metrics(State(shown): State<Arc<dyn Show>>) -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], shown.metrics())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hanging(Vec<String>);

    impl Show for Hanging {
        fn readiness(&self) -> Readiness {
            Readiness { missing: vec!["the API server does not answer".to_owned()], left_alone: Vec::new() }
        }

        fn hanging(&self) -> Vec<String> {
            self.0.clone()
        }

        fn metrics(&self) -> String {
            String::new()
        }
    }

    #[tokio::test]
    async fn an_address_is_of_both_families_or_of_the_only_one() {
        let asked: SocketAddr = "[::]:0".parse().unwrap();
        let port = listen(asked).await.unwrap().local_addr().unwrap().port();
        assert_ne!(port, 0);
        for errno in [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL] {
            assert!(is_without_v6(&io::Error::from_raw_os_error(errno.raw_os_error())));
        }
        let taken = io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error());
        assert!(!is_without_v6(&taken), "a port that is taken is an error");
        assert!(!is_every_v6("[::1]:8080".parse().unwrap()), "nobody asked for other addresses");
    }

    #[tokio::test]
    async fn livez_fails_only_for_a_part_that_hangs_and_names_it() {
        let asked = async |hanging: &[&str]| {
            let hanging = hanging.iter().map(|it| (*it).to_owned()).collect();
            livez(State(Arc::new(Hanging(hanging)))).await
        };
        assert_eq!(asked(&[]).await, (StatusCode::OK, "ok\n".to_owned()));
        let failed = asked(&["one", "two"]).await;
        assert_eq!(failed, (StatusCode::SERVICE_UNAVAILABLE, "one\ntwo\n".to_owned()));
    }
}
