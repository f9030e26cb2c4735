//! One provider behind a port, with its record, its clock and its faults.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::Request;
use axum::{Router, middleware};
use futures::future::BoxFuture;
use http::StatusCode;

use crate::boundary::{self, Boundary};
use crate::portal::{self, Portal};
use crate::server::Server;
use crate::traffic::Call;
use crate::{Clock, Faults, Record, admin};

/// Any free port of the loopback interface.
pub const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The peculiarities of a provider. Everything else comes with [`Simulator::start`].
pub trait Provider: Send + Sync + 'static {
    /// The provider's API. Paths it does not have are answered with 404.
    fn routes(self: Arc<Self>) -> Router;

    /// Returns the operation and the caller of a request. It must have no effect: the request is
    /// served afterwards, or not.
    fn identify(&self, request: Request) -> BoxFuture<'_, Call>;

    /// Returns the portal in which people create credentials, if the provider has one.
    fn portal(self: Arc<Self>) -> Option<Arc<dyn Portal>> {
        None
    }
}

/// The state that all parts of a simulator share. Clones share it, too.
#[derive(Clone, Debug)]
pub struct World {
    pub clock: Clock,
    pub record: Record,
    pub faults: Faults,
}

impl World {
    pub fn new(clock: Clock) -> Self {
        let record = Record::new(clock.clone());
        Self { faults: Faults::new(record.clone()), record, clock }
    }
}

/// The credential the operator itself logs in with, which comes from outside the provider's API:
/// empty where there is nothing to log in to.
#[derive(Clone, Debug, Default)]
pub struct Login {
    pub client_id: String,
    pub client_secret: String,
}

/// A provider that is being served, until this is dropped.
pub struct Simulator {
    world: World,
    login: Login,
    portal: Option<Arc<dyn Portal>>,
    server: Server,
}

impl Simulator {
    /// Serves `provider`; a provider's own `start` is what tests call.
    pub async fn start(
        listen: SocketAddr,
        world: World,
        login: Login,
        provider: Arc<dyn Provider>,
    ) -> io::Result<Self> {
        let boundary = Boundary { world: world.clone(), provider: provider.clone() };
        let portal = provider.clone().portal();
        // The router's own 404 would not go through the boundary.
        let router = provider
            .routes()
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(middleware::from_fn_with_state(boundary, boundary::pass))
            .merge(admin::routes(world.clone()))
            .merge(portal.clone().map(portal::routes).unwrap_or_default());
        Ok(Self { world, login, portal, server: Server::start(listen, router).await? })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The portal, at providers whose credentials a person makes.
    pub fn portal(&self) -> Option<&dyn Portal> {
        self.portal.as_deref()
    }

    pub fn clock(&self) -> &Clock {
        &self.world.clock
    }

    pub fn record(&self) -> &Record {
        &self.world.record
    }

    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// From now on connections are refused: the provider is down, and nothing can have had an
    /// effect.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Serves again, on the same port and with the same record.
    pub async fn start_again(&self) -> io::Result<()> {
        self.server.start_again().await
    }
}
