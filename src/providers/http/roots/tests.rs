use std::path::Path;

use credwright_harness::tls::{Authority, Server};
use reqwest::{Method, Url};

use super::*;
use crate::{
    api::ProviderSettings,
    providers::http::{EgressPolicy, EgressRanges, Operation, body::Bound, client::Clients},
};

/// Puts the certificate of an authority in the place of a file, as a kubelet does.
fn renew(file: &Path, authority: &Authority) {
    let next = file.with_extension("next");
    fs::write(&next, authority.pem()).unwrap();
    fs::rename(&next, file).unwrap();
}

fn clients(more_roots: Option<MoreRoots>) -> Clients {
    let ranges = EgressRanges { allow: vec!["127.0.0.0/8".parse().unwrap()], ..EgressRanges::default() };
    let policy = EgressPolicy { ranges: ranges.into(), more_roots, ..EgressPolicy::default() };
    Clients::new(&policy, &ProviderSettings::default()).unwrap()
}

/// Returns whether a server is believed; if it is not, the message has to say why.
async fn trusts(clients: &Clients, server: &Url) -> bool {
    let bound = Bound::of(Operation::Verify);
    match clients.exchange(clients.request(Method::GET, server), &bound).await {
        Ok(answer) => answer.status.is_success(),
        Err(broken) => {
            assert!(broken.message.contains("or into --ca-file for all providers"), "{}", broken.message);
            false
        }
    }
}

#[tokio::test]
async fn a_file_of_roots_counts_for_all_providers_and_a_change_of_it_at_once() {
    let (company, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let of_company = Server::start(&company, None, None).await.unwrap();
    let of_other = Server::start(&other, None, None).await.unwrap();
    let [here, there] = [&of_company, &of_other].map(|server| Url::parse(&server.url()).unwrap());
    assert!(!trusts(&clients(None), &here).await, "nobody vouches for it");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let roots = MoreRoots::new(file.clone());
    let (one, two) = (clients(Some(roots.clone())), clients(Some(roots)));
    assert!(!trusts(&one, &here).await, "there is no file yet");
    renew(&file, &company);
    assert!(trusts(&one, &here).await && trusts(&two, &here).await);
    assert!(!trusts(&one, &there).await);

    renew(&file, &other);
    assert!(trusts(&one, &there).await && trusts(&two, &there).await);
    fs::write(&file, "half of a certif").unwrap();
    assert!(trusts(&one, &there).await, "what was read last counts while the file cannot be used");
    fs::remove_file(&file).unwrap();
    assert!(trusts(&two, &there).await);
}
