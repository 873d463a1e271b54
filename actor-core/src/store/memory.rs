//! Images in memory.

use dashmap::DashMap;

use super::{Loaded, Store, StoreError};
use crate::image::Image;

/// Keeps images for as long as it lives itself.
///
/// ```
/// use actor_core::image::{Head, Image, Kind};
/// use actor_core::store::{MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// store.save("cart", &Image::of(Head::new(Kind::Data, "Cart"), "tea")?)?;
/// let loaded = store.load("cart")?.image.expect("it was saved");
/// assert_eq!(loaded.value::<String>()?, "tea");
/// assert!(store.remove("cart")?);
/// assert_eq!(store.load("cart")?.image, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    images: DashMap<String, Image>,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        if name.is_empty() {
            return Err(StoreError::Name {
                name: name.to_owned(),
                longest: usize::MAX,
            });
        }
        self.images.insert(name.to_owned(), image.clone());
        Ok(())
    }

    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        let image = self.images.get(name).map(|image| image.clone());
        Ok(Loaded {
            image,
            damaged: Vec::new(),
        })
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.images.remove(name).is_some())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<_> = self.images.iter().map(|it| it.key().clone()).collect();
        names.sort_unstable();
        Ok(names)
    }
}
