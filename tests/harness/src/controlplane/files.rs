//! The files a control plane reads: keys, tokens, the audit policy and the kubeconfig.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;

use super::layout::Layout;

/// Writes everything that must be there before kube-apiserver starts and returns the
/// administrator's token.
pub(super) fn write_credentials(layout: &Layout) -> Result<String> {
    write_service_account_keys(layout).context("making the keys of service account tokens")?;

    let token = random_token()?;
    fs::write(layout.tokens(), format!("{token},admin,admin,system:masters\n"))?;

    // A watch may never end, so the start of its answer counts. JSON is YAML too.
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata" }],
    });
    fs::write(layout.audit_policy(), policy.to_string())?;
    Ok(token)
}

/// Writes the administrator's kubeconfig. The certificate that kube-apiserver has generated holds
/// the leaf and the authority that signed it.
pub(super) fn write_kubeconfig(layout: &Layout, token: &str) -> Result<()> {
    let certificate = layout.certificate();
    let authority = fs::read(&certificate).with_context(|| certificate.display().to_string())?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "credwright",
        "contexts": [{ "name": "credwright", "context": { "cluster": "credwright", "user": "admin" } }],
        "clusters": [{ "name": "credwright", "cluster": {
            "server": format!("https://127.0.0.1:{}", layout.api_port),
            "certificate-authority-data": BASE64_STANDARD.encode(authority),
        } }],
        "users": [{ "name": "admin", "user": { "token": token } }],
    });
    fs::write(layout.kubeconfig(), serde_json::to_vec_pretty(&kubeconfig)?)?;
    Ok(())
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to).with_context(|| to.display().to_string())?;
        }
    }
    Ok(())
}

fn write_service_account_keys(layout: &Layout) -> Result<()> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    fs::write(layout.service_account_private_key(), pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref()))?;
    fs::write(layout.service_account_public_key(), pem("PUBLIC KEY", public.as_ref()))?;
    Ok(())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow!("no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
