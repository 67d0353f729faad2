//! What a process makes once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Values that a process makes once per key, however many tests ask at the same time.
#[derive(Debug)]
pub(crate) struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K: Eq + Hash, V> Once<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The cell of the key.
    pub(crate) fn cell(&self, key: &K) -> Arc<OnceCell<V>>
    where
        K: Clone,
    {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(key) {
            return Arc::clone(cell);
        }
        Arc::clone(cells.entry(key.clone()).or_default())
    }

    /// Forgets the key, so that it is made again for the next one that asks.
    pub(crate) fn forget(&self, key: &K) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}
