//! Serves one simulated provider for another process: prints one line of JSON and ends with its
//! standard input, so that it never outlives whoever started it.

use std::io;
use std::net::SocketAddr;
use std::thread;

use clap::{ArgGroup, Parser};
use credwright_simulator::{
    Clock, Login, Simulator, cloud_connexa, cloud_director, expereo, simulator, spreetail, vonage,
};
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
    /// Simulate expereoOne.
    #[arg(long, group = "provider")]
    expereo: bool,
    /// Simulate VMware Cloud Director.
    #[arg(long, group = "provider")]
    cloud_director: bool,
    /// Simulate OpenVPN CloudConnexa, whose portal is at /_simulator/portal/.
    #[arg(long, group = "provider")]
    cloud_connexa: bool,
    /// Simulate Vonage Contact Center, whose portal is at /_simulator/portal/.
    #[arg(long, group = "provider")]
    vonage: bool,
    /// The operator's own login; for Cloud Director the name and the password of a user of the
    /// organization acme.
    #[arg(long, required_unless_present_any = ["cloud_connexa", "vonage"])]
    client_id: Option<String>,
    #[arg(long, required_unless_present_any = ["cloud_connexa", "vonage"])]
    client_secret: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let (provider, simulator) = start(Arguments::parse()).await?;
    let mut description = json!({ "provider": provider, "baseUrl": simulator.base_url() });
    if provider == "expereo" {
        description["tokenUrl"] = format!("{}{}", simulator.base_url(), expereo::TOKEN_PATH).into();
    }
    println!("{description}");

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = parent_gone() => {}
    }
    Ok(())
}

async fn start(arguments: Arguments) -> io::Result<(&'static str, Simulator)> {
    let Arguments { listen, client_id, client_secret, .. } = arguments;
    let Arguments { spreetail: _, expereo, cloud_director, cloud_connexa, vonage, .. } = arguments;
    let login =
        Login { client_id: client_id.unwrap_or_default(), client_secret: client_secret.unwrap_or_default() };
    let clock = Clock::real();
    Ok(if expereo {
        let options = expereo::Options { listen, login, ..expereo::Options::new(clock) };
        ("expereo", expereo::start(options).await?)
    } else if cloud_director {
        let options = cloud_director::Options { listen, login, ..cloud_director::Options::new(clock) };
        ("cloudDirector", cloud_director::start(options).await?)
    } else if cloud_connexa {
        let options = cloud_connexa::Options { listen, ..cloud_connexa::Options::new(clock) };
        ("cloudConnexa", cloud_connexa::start(options).await?)
    } else if vonage {
        let options = vonage::Options { listen, ..vonage::Options::new(clock) };
        ("vonageContactCenter", vonage::start(options).await?)
    } else {
        let options = spreetail::Options { listen, login, ..spreetail::Options::new(clock) };
        ("spreetail", spreetail::start(options).await?)
    })
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
