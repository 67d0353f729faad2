//! Tests of container-test on real servers; nothing to use here.
