//! The driver block of the AppRole method.

use kube::KubeSchema;
use kube::core::Rule;
use serde::{Deserialize, Serialize};

use super::{fixed, without_query};

/// A path of names, none of which is `.` or `..`: those would lead elsewhere.
fn path(field: &str) -> Rule {
    let message = format!(
        "{field} must be one or several names with slashes between them, such as approle or teams/approle. Names have \
         letters, digits, underscores and dashes, and dots except at the beginning"
    );
    Rule::new("self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$')")
        .message(message.as_str())
}

/// The AppRole method of OpenBao or HashiCorp Vault
/// (<https://openbao.org/api-docs/auth/approle/>). A credential is a secret ID of the role in
/// `spec.parameters.role`. The login Secret has `role_id` and `secret_id`, or `token`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.__namespace__) ? self.__namespace__ : '') == (has(oldSelf.__namespace__) ? oldSelf.__namespace__ : '')")
        .message("namespace identifies the account and cannot be changed: create another provider and point providerRef at it")
)]
pub struct AppRole {
    /// The URL of the server without `/v1`, such as `https://openbao.example.com:8200`.
    #[schemars(length(max = 512))]
    #[x_kube(validation = fixed("baseUrl"), validation = without_query("baseUrl"))]
    pub base_url: String,

    /// The path at which the method is enabled, without `auth/`.
    #[serde(default = "approle")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = fixed("mount"), validation = path("mount"))]
    pub mount: String,

    /// The namespace of the mount and of the login. Default: the root namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = path("namespace"))]
    pub namespace: Option<String>,
}

fn approle() -> String {
    "approle".to_owned()
}
