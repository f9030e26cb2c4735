//! Objects as they come over the wire, decoded so that none of them can stand in the way of
//! another.
//!
//! Anyone who may write an object may put values into it that a strict decoder refuses: a time of
//! the year 9999 in `managedFields`, a value nested 130 deep, a word of a newer version. A list
//! that is decoded as a whole is then lost with that one object, and the client library writes the
//! body of each answer that it cannot decode, Secrets included, into the log. So everything that is
//! read from the API server has a type from here:
//!
//! - [`Secret`], [`ConfigMap`], and [`Partial`] for metadata of any kind: unused parts are not
//!   decoded.
//! - [`Decoded`] for our own kinds: the error of an unreadable part is kept beside it.

/// Makes a type a `Resource` of the kind `K` that it stands for, with metadata of its own.
macro_rules! stands_for {
    ($type:ident<K: $bound:path>, metadata only: $only:literal, $read:expr, $write:expr) => {
        impl<K: $bound> kube::Resource for $type<K> {
            type DynamicType = ();
            type Scope = K::Scope;

            fn metadata_api() -> bool {
                $only
            }
            fn kind(kind: &()) -> std::borrow::Cow<'_, str> {
                K::kind(kind)
            }
            fn group(kind: &()) -> std::borrow::Cow<'_, str> {
                K::group(kind)
            }
            fn version(kind: &()) -> std::borrow::Cow<'_, str> {
                K::version(kind)
            }
            fn plural(kind: &()) -> std::borrow::Cow<'_, str> {
                K::plural(kind)
            }
            fn meta(&self) -> &kube::core::ObjectMeta {
                let of: fn(&Self) -> &kube::core::ObjectMeta = $read;
                of(self)
            }
            fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
                let of: fn(&mut Self) -> &mut kube::core::ObjectMeta = $write;
                of(self)
            }
        }
    };
}

mod config_map;
mod metadata;
mod own;
mod secret;

pub use self::{
    config_map::ConfigMap,
    metadata::Partial,
    own::{Decoded, Own},
    secret::Secret,
};

#[cfg(test)]
mod tests;
