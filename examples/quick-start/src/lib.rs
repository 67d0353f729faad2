//! Empty: the example is `tests/sign_up.rs`.
