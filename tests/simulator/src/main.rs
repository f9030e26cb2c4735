//! Serves one simulated provider for another process: prints one line of JSON and ends with its standard input, so
//! that it never outlives whoever started it.

use std::io;
use std::net::SocketAddr;
use std::thread;

use clap::{ArgGroup, Parser};
use credwright_simulator::{Clock, Login, cloud_director, simulator, spreetail};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[derive(Parser)]
#[command(group = ArgGroup::new("provider").required(true))]
struct Arguments {
    #[arg(long, default_value_t = simulator::ANY_PORT)]
    listen: SocketAddr,
    /// Simulate Spreetail.
    #[arg(long, group = "provider")]
    spreetail: bool,
    /// Simulate VMware Cloud Director.
    #[arg(long, group = "provider")]
    cloud_director: bool,
    /// The operator's own login; for Cloud Director the name and the password of a user of the organization acme.
    #[arg(long)]
    client_id: String,
    #[arg(long)]
    client_secret: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let Arguments { listen, spreetail: _, cloud_director, client_id, client_secret } = Arguments::parse();
    let login = Login { client_id, client_secret };
    let (provider, simulator) = if cloud_director {
        let options =
            cloud_director::Options { listen, login, ..cloud_director::Options::new(Clock::real()) };
        ("cloudDirector", cloud_director::start(options).await?)
    } else {
        let options = spreetail::Options { listen, login, ..spreetail::Options::new(Clock::real()) };
        ("spreetail", spreetail::start(options).await?)
    };
    println!("{}", json!({ "provider": provider, "baseUrl": simulator.base_url() }));

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = parent_gone() => {}
    }
    Ok(())
}

/// Resolves when standard input ends.
fn parent_gone() -> oneshot::Receiver<()> {
    let (gone, is_gone) = oneshot::channel();
    thread::spawn(move || {
        // An error says as much as the end does.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = gone.send(());
    });
    is_gone
}
