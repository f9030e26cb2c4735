//! The flags that `run` and `detach` share: where Credwright runs and works.

use clap::Args;

/// Its own namespace, the namespaces that it works in, and the source of its rights there.
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

    /// A namespace to work in; repeatable. Providers that namespaces share are ignored then.
    /// [default: all namespaces]
    #[arg(long, env = "CREDWRIGHT_NAMESPACE", value_name = "NAME", value_delimiter = ',')]
    pub(super) namespace: Vec<String>,

    /// With --namespace: the RoleBinding in each of these namespaces that gives Credwright its
    /// rights. A finalizer keeps it while something is left that can only be cleaned up with these
    /// rights.
    #[arg(long, env = "CREDWRIGHT_ROLE_BINDING", default_value = "credwright", value_name = "NAME")]
    pub(super) role_binding: String,
}
