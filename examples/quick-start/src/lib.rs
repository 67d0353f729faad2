//! Nothing here: the example is in `tests/sign_up.rs`.
