//! What an administrator looks at while the operator runs. It is told what to show, and asks no other layer.

pub mod server;
