//! A load balancer before a server on loopback, which can forget its connections, as some do to
//! idle ones.
#![expect(clippy::disallowed_methods, reason = "its tasks end with it")]

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use tokio::{
    io::{copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

/// The effect of the balancer on connections.
#[derive(Clone, Copy, Debug, Default)]
struct Mood {
    /// The number of times that it has forgotten its open connections.
    forgotten: u64,
    /// True if it forgets what is opened, too.
    deaf: bool,
}

/// A running load balancer. Dropping it ends it, and every connection through it.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    _task: AbortOnDropHandle<()>,
}

impl Balancer {
    /// Listens on loopback, and passes everything on to `target`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mood = watch::Sender::new(Mood::default());
        let moods = Arc::new(mood.subscribe());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, watch::Receiver::clone(&moods)));
            }
        });
        Ok(Self { address, mood, _task: AbortOnDropHandle::new(task) })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets every connection that is open: the server's end is closed, and the client does not
    /// notice. Its data is accepted and never answered. New connections work.
    pub fn forget(&self) {
        self.mood.send_modify(|mood| mood.forgotten += 1);
    }

    /// The same for connections that are opened from now on, until it is told otherwise.
    pub fn set_deaf(&self, deaf: bool) {
        self.mood.send_modify(|mood| mood.deaf = deaf);
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, mut moods: watch::Receiver<Mood>) {
    let Mood { forgotten, deaf } = *moods.borrow_and_update();
    if !deaf {
        let passed_on = async {
            let mut server = TcpStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await
        };
        tokio::select! {
            _ = passed_on => return,
            _ = moods.wait_for(|mood| mood.forgotten > forgotten) => {}
        }
    }
    // It takes what comes until the client has enough, or the balancer is gone.
    let (mut from, _to) = client.split();
    let mut nowhere = sink();
    tokio::select! {
        _ = copy(&mut from, &mut nowhere) => {}
        () = async { while moods.changed().await.is_ok() {} } => {}
    }
}
