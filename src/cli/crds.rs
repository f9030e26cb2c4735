//! `credwright crds`: prints the CRDs, ready for `kubectl apply -f -`.

use serde_json::Value;

use crate::api::crds;

/// Returns all CRDs as one YAML stream, in a stable order.
///
/// # Panics
///
/// Never: the CRDs are our own data, without a map whose keys are not text.
#[must_use]
pub fn yaml() -> String {
    let mut definitions = serde_json::to_value(crds::all()).expect("a definition is plain data");
    whole_numbers(&mut definitions);
    let documents = definitions.as_array().map(Vec::as_slice).unwrap_or_default();
    serde_saphyr::to_string_multiple(documents).expect("a definition is plain data")
}

/// Writes 1 for 1.0. Bounds are floats in the type, but the API server returns whole numbers
/// without a fraction. A tool that compares the two would report a difference.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(Ok(whole)) = whole.map(|float| format!("{float:.0}").parse::<i64>()) {
                *value = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
