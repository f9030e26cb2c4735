use super::*;
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

fn built(block: &api::CloudConnexa) -> Result<CloudConnexa, SetupError> {
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default())?;
    driver(block, None, Arc::new(http))
}

#[test]
fn an_account_is_found_by_its_cloud_id_or_a_url() {
    let by_id = api::CloudConnexa { cloud_id: Some("acme-1".to_owned()), ..Default::default() };
    let by_url =
        api::CloudConnexa { base_url: Some("https://vpn.example.com/".to_owned()), ..Default::default() };
    for (block, base) in [(by_id, "https://acme-1.api.openvpn.com"), (by_url, "https://vpn.example.com")] {
        let driver = built(&block).unwrap_or_else(|error| panic!("{error}"));
        let fields = driver.fields(&[]);
        assert_eq!(fields["base_url"], base);
        assert_eq!(fields["token_url"], format!("{base}/api/v1/oauth/token"));
        assert_eq!(fields.get("cloud_id"), block.cloud_id.as_ref());
    }
}

#[test]
fn a_cloud_id_is_one_label_of_a_host_name() {
    for cloud_id in ["acme.example", "acme/", "me:hunter2@acme", "acme?", ""] {
        let block = api::CloudConnexa { cloud_id: Some(cloud_id.to_owned()), ..Default::default() };
        let message = built(&block).err().map(|error| error.message()).unwrap_or_default();
        assert!(message.starts_with("cloudConnexa.cloudId is not a usable URL: "), "{cloud_id}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_month_may_have_28_days() {
    let days = |duration: SignedDuration| duration.as_hours() / 24;
    let expiry = Expiry::OneOf(TERMS.into());
    for (lifetime_days, words, at_least) in
        [(1, "two weeks", 14), (15, "one month", 28), (31, "six months", 181), (365, "one year", 365)]
    {
        let lifetime = SignedDuration::from_hours(24 * lifetime_days);
        let term = expiry.term(Some(lifetime)).expect("no term covers it");
        assert_eq!((&*term.words, days(term.at_least)), (words, at_least));
    }
    assert_eq!(expiry.term(Some(SignedDuration::from_hours(24 * 366))), None);
}
