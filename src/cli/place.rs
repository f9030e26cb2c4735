//! Where Credwright is: what `run` and `detach` are told alike.

use clap::Args;

/// Its own namespace, those that it works in, and by what right.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// Credwright's own namespace, where its sealing key is kept.
    #[arg(
        long,
        env = "CREDWRIGHT_OPERATOR_NAMESPACE",
        default_value = "credwright-system",
        value_name = "NAME"
    )]
    pub(super) operator_namespace: String,

    /// A namespace to work in; repeatable. Providers that are shared by namespaces are then left alone. [default: all namespaces]
    #[arg(long, env = "CREDWRIGHT_NAMESPACE", value_name = "NAME", value_delimiter = ',')]
    pub(super) namespace: Vec<String>,

    /// With --namespace: the RoleBinding in each of them that gives Credwright its rights. It is held by a finalizer while there is
    /// anything that can only be ended with these rights.
    #[arg(long, env = "CREDWRIGHT_ROLE_BINDING", default_value = "credwright", value_name = "NAME")]
    pub(super) role_binding: String,
}
