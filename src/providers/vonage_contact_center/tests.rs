use super::*;
use crate::{api::ProviderSettings, ops::metrics::Meter, providers::http::EgressPolicy};

fn fields(block: &api::VonageContactCenter) -> BTreeMap<String, String> {
    let http = Http::new(&ProviderSettings::default(), &EgressPolicy::default(), Meter::default());
    let http = Arc::new(http.unwrap_or_else(|error| panic!("{error}")));
    let driver = driver(block, None, http).unwrap_or_else(|error| panic!("{error}"));
    driver.fields(&["users:read".to_owned(), "stats".to_owned()])
}

#[test]
fn a_region_is_a_host_of_either_family() {
    for (region, hosts, host) in [
        (VonageRegion::Emea, VonageHosts::Vonage, "emea.cc.vonage.com"),
        (VonageRegion::Nam, VonageHosts::Vonage, "nam.cc.vonage.com"),
        (VonageRegion::Apac, VonageHosts::NewVoiceMedia, "apac.newvoicemedia.com"),
    ] {
        let fields = fields(&api::VonageContactCenter { region: Some(region), base_url: None, hosts });
        assert_eq!(fields["token_url"], format!("https://{host}/Auth/connect/token"));
        assert!(host.starts_with(&format!("{}.", fields["region"])));
        assert_eq!(fields["scope"], "users:read stats");
    }
}

#[test]
fn a_url_stands_for_a_region() {
    let base_url = Some("https://vcc.example.com/eu/".to_owned());
    let fields = fields(&api::VonageContactCenter { base_url, ..Default::default() });
    assert_eq!(fields["token_url"], "https://vcc.example.com/eu/Auth/connect/token");
    assert_eq!(fields.get("region"), None);
}
