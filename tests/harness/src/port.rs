//! Ports on loopback that stay free until they are used.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Result, anyhow, bail};

/// An address that a process which is about to start can listen at.
///
/// # Errors
/// If none can be had.
pub fn free_address() -> Result<SocketAddr> {
    Ok(reserve()?.local_addr()?)
}

/// Takes a port below the range the system draws outgoing connections' ports from. A listener
/// inside that range, once it is down, may find its port taken by a client's connection, even by
/// one to itself.
pub(crate) fn reserve() -> Result<TcpListener> {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    for _ in 0..100 {
        let mut random = [0; 2];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow!("no random numbers"))?;
        let port = PORTS.start + u16::from_ne_bytes(random) % (PORTS.end - PORTS.start);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener);
        }
    }
    bail!("no free port on 127.0.0.1")
}
