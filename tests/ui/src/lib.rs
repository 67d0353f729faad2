//! Nothing: the uses of the attribute are in `tests`.
