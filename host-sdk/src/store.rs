//! Where plugins keep what is to outlive them.

use std::{collections::BTreeMap, fmt, future::ready};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// A key-value store, with a name space for each plugin.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads a value.
    fn get(
        &self,
        plugin: &str,
        key: &str,
    ) -> BoxFuture<'static, Result<Option<Vec<u8>>, StoreError>>;

    /// Writes a value, or removes it with `None`; answers the one before it.
    fn set(
        &self,
        plugin: &str,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Option<Vec<u8>>, StoreError>>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A store that lasts as long as the process. Bounded by [`MemoryStore::LIMIT`].
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    values: BTreeMap<(String, String), Vec<u8>>,
    bytes: usize,
}

impl MemoryStore {
    /// How many bytes the keys and values of all plugins may take together.
    pub const LIMIT: usize = 64 << 20;
}

impl Store for MemoryStore {
    fn get(
        &self,
        plugin: &str,
        key: &str,
    ) -> BoxFuture<'static, Result<Option<Vec<u8>>, StoreError>> {
        let place = (plugin.to_owned(), key.to_owned());
        let value = self.0.lock().values.get(&place).cloned();
        Box::pin(ready(Ok(value)))
    }

    fn set(
        &self,
        plugin: &str,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'static, Result<Option<Vec<u8>>, StoreError>> {
        let place = (plugin.to_owned(), key.to_owned());
        let size = |value: &Vec<u8>| plugin.len() + key.len() + value.len();
        let mut kept = self.0.lock();
        let before = kept.values.get(&place).map_or(0, size);
        let after = value.as_ref().map_or(0, size);
        let bytes = kept.bytes - before + after;
        if bytes > Self::LIMIT {
            let message = format!("the store is full: {} bytes are the limit", Self::LIMIT);
            return Box::pin(ready(Err(StoreError(message))));
        }
        kept.bytes = bytes;
        let old = match value {
            Some(value) => kept.values.insert(place, value),
            None => kept.values.remove(&place),
        };
        Box::pin(ready(Ok(old)))
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryStore, Store};

    #[tokio::test]
    async fn each_plugin_has_its_own_names() {
        let store = MemoryStore::default();
        assert_eq!(store.set("a", "key", Some(vec![1])).await.unwrap(), None);
        assert_eq!(store.get("b", "key").await.unwrap(), None);
        assert_eq!(store.set("a", "key", Some(vec![2])).await.unwrap(), Some(vec![1]));
        assert_eq!(store.set("a", "key", None).await.unwrap(), Some(vec![2]));
        assert_eq!(store.get("a", "key").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_full_store_refuses_and_keeps_what_it_has() {
        let store = MemoryStore::default();
        store.set("a", "key", Some(vec![1])).await.unwrap();
        let error = store.set("a", "key", Some(vec![0; MemoryStore::LIMIT])).await.unwrap_err();
        assert_eq!(error.to_string(), "the store is full: 67108864 bytes are the limit");
        assert_eq!(store.get("a", "key").await.unwrap(), Some(vec![1]));
    }
}
