//! An HTTP proxy on loopback that knows nothing but CONNECT, and remembers what it was asked.
#![expect(clippy::disallowed_methods, reason = "its tasks end with it")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// A request that the proxy got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request line, without the version.
    pub what: String,
    /// The value of `Proxy-Authorization`.
    pub login: Option<String>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    refuses_with: Option<u16>,
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens on loopback. Whatever host it is asked for, it connects to that port of loopback.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let task = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(serve(client, Arc::clone(&state)));
                }
            }
        });
        Ok(Self { address, state, _task: AbortOnDropHandle::new(task) })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        locked(&self.state).asked.clone()
    }

    /// Has it answer each request with this status, or do what it is asked.
    pub fn refuse_with(&self, status: Option<u16>) {
        locked(&self.state).refuses_with = status;
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(client: TcpStream, state: Arc<Mutex<State>>) -> Result<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    if client.read_line(&mut line).await.is_err() {
        // It is no text, such as the beginning of a TLS handshake.
        client.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await?;
        return Ok(());
    }
    let what = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut login = None;
    loop {
        line.clear();
        client.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("proxy-authorization") => {
                login = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let refuses_with = {
        let mut state = locked(&state);
        state.asked.push(Asked { what: what.clone(), login });
        state.refuses_with
    };
    if let Some(status) = refuses_with {
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        client.write_all(answer.as_bytes()).await?;
        return Ok(());
    }
    let port = what.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let port = port.filter(|_| what.starts_with("CONNECT ")).context("it is no CONNECT")?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
