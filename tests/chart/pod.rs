//! A Pod as a node runs it: the process of its container, with everything that the Pod declares for
//! it.
//!
//! A container without a command is Credwright's. Of any other, the image is not pulled: its
//! program is the one on `PATH`, and what its init containers would have fetched is in tests/oidc
//! already.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::core::v1::{Container, EnvVar, Pod, Secret, Service, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Api, Client, ResourceExt, api::ListParams};

/// The flag of a container that listens on all addresses of its Pod.
const EVERYWHERE: &str = "--listen=[::]:";
const FETCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc");

pub(crate) fn container(pod: &Pod) -> Result<&Container> {
    pod.spec.as_ref().and_then(|spec| spec.containers.first()).context("a Pod has a container")
}

/// Returns whether a Pod runs Credwright.
pub(crate) fn is_ours(pod: &Pod) -> Result<bool> {
    Ok(container(pod)?.command.is_none())
}

/// A Pod's process, and where it listens.
pub(crate) async fn process(client: &Client, pod: &Pod) -> Result<(Command, Option<SocketAddr>)> {
    let container = container(pod)?;
    let services = services(client, pod).await?;
    let (mut command, listens) = match &container.command {
        None => {
            let (arguments, listens) = arguments(container)?;
            let mut command = Command::new(env!("CARGO_BIN_EXE_credwright"));
            command.args(arguments);
            (command, listens)
        }
        Some(program) => {
            let mut command = Command::new("sh");
            let folder = if container.working_dir.is_some() { FETCHED } else { "/" };
            command.args(["-c", r#"cd "$0" && exec "$@""#, folder]);
            command.args(program).args(container.args.iter().flatten());
            (command, probed(container).map(|port| SocketAddr::new(address(pod, &services), port)))
        }
    };
    let around = Around { client, pod, services: &services };
    command.envs(around.environment(container).await?);
    Ok((command, listens))
}

/// A container's arguments, and the address that stands for all addresses of its Pod.
fn arguments(container: &Container) -> Result<(Vec<String>, Option<SocketAddr>)> {
    let mut arguments = container.args.clone().unwrap_or_default();
    let Some(listen) = arguments.iter_mut().find(|it| it.starts_with(EVERYWHERE)) else {
        return Ok((arguments, None));
    };
    let ours: u32 = Ipv4Addr::new(127, 0, 0, 0).into();
    // Not 127.0.0.1, from which others connect and so take ports.
    let own = Ipv4Addr::from(ours + 256 + std::process::id() % (1 << 23));
    let address = TcpListener::bind((own, 0))?.local_addr()?;
    *listen = format!("--listen={address}");
    Ok((arguments, Some(address)))
}

fn probed(container: &Container) -> Option<u16> {
    match &container.readiness_probe.as_ref()?.http_get.as_ref()?.port {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(_) => None,
    }
}

async fn services(client: &Client, pod: &Pod) -> Result<Vec<Service>> {
    let api: Api<Service> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    Ok(api.list(&ListParams::default()).await.context("Services")?.items)
}

/// The Pod's address. Nothing carries traffic from a Service to its Pods here, so a Pod has the
/// address of its Service.
fn address(pod: &Pod, services: &[Service]) -> IpAddr {
    let selects = |it: &&ServiceSpec| {
        let selector = it.selector.as_ref().filter(|selector| !selector.is_empty());
        selector.is_some_and(|all| all.iter().all(|(key, value)| pod.labels().get(key) == Some(value)))
    };
    let own = services.iter().filter_map(|it| it.spec.as_ref()).find(selects);
    let own = own.and_then(|it| it.cluster_ip.as_ref()?.parse().ok());
    own.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// The sources of a Pod's environment variables.
struct Around<'a> {
    client: &'a Client,
    pod: &'a Pod,
    services: &'a [Service],
}

impl Around<'_> {
    async fn environment(&self, container: &Container) -> Result<Vec<(String, String)>> {
        let linked = self.pod.spec.as_ref().and_then(|spec| spec.enable_service_links) != Some(false);
        let services = self.services.iter().filter(|_| linked);
        let mut variables: Vec<(String, String)> = services.flat_map(of_service).collect();
        for source in container.env_from.iter().flatten() {
            let secret = source.secret_ref.as_ref().context("only Secrets are known here")?;
            let data = self.secret(&secret.name).await?.data.unwrap_or_default();
            for (key, value) in data {
                variables.push((key, String::from_utf8(value.0)?));
            }
        }
        for variable in container.env.iter().flatten() {
            variables.push((variable.name.clone(), self.value(variable).await?));
        }
        Ok(variables)
    }

    async fn value(&self, variable: &EnvVar) -> Result<String> {
        let Some(source) = &variable.value_from else {
            return Ok(variable.value.clone().unwrap_or_default());
        };
        if let Some(at) = &source.secret_key_ref {
            let data = self.secret(&at.name).await?.data.unwrap_or_default();
            let value = data.get(&at.key).with_context(|| format!("{} has no {}", at.name, at.key))?;
            return Ok(String::from_utf8(value.0.clone())?);
        }
        match source.field_ref.as_ref().map(|field| field.field_path.as_str()) {
            Some("metadata.name") => Ok(self.pod.name_any()),
            Some("metadata.namespace") => Ok(self.pod.namespace().unwrap_or_default()),
            // All run on this machine; a node of their own keeps their providers from being on it.
            Some("status.hostIPs") => Ok("192.0.2.1".to_owned()),
            Some("status.podIP" | "status.podIPs") => Ok(address(self.pod, self.services).to_string()),
            other => anyhow::bail!("{other:?} is not known here"),
        }
    }

    async fn secret(&self, name: &str) -> Result<Secret> {
        let api: Api<Secret> =
            Api::namespaced(self.client.clone(), &self.pod.namespace().unwrap_or_default());
        api.get(name).await.with_context(|| format!("the Secret {name}"))
    }
}

/// The variables by which a Pod finds a Service of its namespace.
fn of_service(service: &Service) -> Vec<(String, String)> {
    let name = service.name_any().to_uppercase().replace('-', "_");
    let spec = service.spec.clone().unwrap_or_default();
    let port = spec.ports.iter().flatten().next().map(|port| port.port.to_string());
    let values = [("HOST", spec.cluster_ip), ("PORT", port)];
    let given =
        values.into_iter().filter_map(|(what, value)| Some((format!("{name}_SERVICE_{what}"), value?)));
    given.collect()
}
