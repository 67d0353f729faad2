//! A crate whose tests are all mistaken.
