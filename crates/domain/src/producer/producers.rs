//! Making producers and their keys.

use std::sync::Arc;

use super::{Producer, ProducerId, ProducerName, ProducerStore};
use crate::{
    Clock, Error, Result,
    account::{Secret, digest},
    ports::secrets::Randomness,
};

/// The use cases around producers.
pub struct Producers {
    store: Arc<dyn ProducerStore>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Producers {
    /// The use cases over these adapters.
    pub fn new(
        store: Arc<dyn ProducerStore>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self { store, clock, randomness }
    }

    /// Makes a producer. Its key is returned here and never again.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `name`; [`Error::Conflict`] when the name is taken.
    pub async fn create(&self, name: &str, is_simulated: bool) -> Result<(Producer, Secret)> {
        let name = parse_name(name)?;
        let mut bytes = [0; 32];
        self.randomness.fill(&mut bytes);
        let key = Secret::new(format!("alp_p_{}", hex::encode(bytes)));
        let hash = digest(key.reveal());
        let producer = self.store.create(&name, &hash, is_simulated, self.clock.now()).await?;
        Ok((producer, key))
    }

    /// Makes sure that `name` exists with this key: how a key from the configuration takes effect.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `name`.
    pub async fn ensure(&self, name: &str, key: &Secret, is_simulated: bool) -> Result<Producer> {
        let hash = digest(key.reveal());
        self.store.ensure(&parse_name(name)?, &hash, is_simulated, self.clock.now()).await
    }

    /// Every producer, by name.
    pub async fn list(&self) -> Result<Vec<Producer>> {
        self.store.list().await
    }

    /// Disables a producer: its key is refused from then on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn disable(&self, id: ProducerId) -> Result<()> {
        self.store.disable(id, self.clock.now()).await
    }
}

fn parse_name(name: &str) -> Result<ProducerName> {
    name.parse().map_err(|reason: &str| Error::invalid("name", reason))
}
