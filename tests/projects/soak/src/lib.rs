//! A crate whose tests run for a while, beside many others.
