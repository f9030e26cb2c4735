//! The driver `appRole` at a real OpenBao, fetched from PyPI by `tests/openbao`.

mod answers;
mod life;
mod logins;
mod refusals;
mod scene;
