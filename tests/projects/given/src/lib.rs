//! A crate whose tests run on servers given by URL.
