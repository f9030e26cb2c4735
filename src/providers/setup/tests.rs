use super::*;

#[test]
fn a_client_id_stays_one_segment_of_the_path() {
    let base = "https://api.example.com/root/".parse().unwrap();
    assert_eq!(below(&base, &["api", "v0"]).as_str(), "https://api.example.com/root/api/v0");
    assert_eq!(below(&base, &["a/b?c"]).as_str(), "https://api.example.com/root/a%2Fb%3Fc");
}
