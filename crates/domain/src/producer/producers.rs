//! Making producers and their keys.

use std::{sync::Arc, time::Duration};

use super::{Producer, ProducerId, ProducerName, ProducerStore};
use crate::{
    Clock, Error, Result, Timestamp,
    account::{Secret, digest},
    ports::secrets::Randomness,
};

/// How long an old key may be good beside a new one at most.
pub const MAX_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// How long it is unless somebody says otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_hours(24);

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
        let key = self.new_key();
        let hash = digest(key.reveal());
        let producer = self.store.create(&name, &hash, is_simulated, self.clock.now()).await?;
        Ok((producer, key))
    }

    /// 256 random bits.
    fn new_key(&self) -> Secret {
        let mut bytes = [0; 32];
        self.randomness.fill(&mut bytes);
        Secret::new(format!("alp_p_{}", hex::encode(bytes)))
    }

    /// Gives a producer another key, which is returned here and never again. The old one is good for `overlap` more,
    /// so that nothing is refused while the producer changes over. Says until when.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than [`MAX_OVERLAP`]; [`Error::NotFound`].
    pub async fn rotate(
        &self,
        id: ProducerId,
        overlap: Duration,
    ) -> Result<(Producer, Secret, Timestamp)> {
        if overlap > MAX_OVERLAP {
            return Err(Error::invalid("overlap_seconds", "must be at most 2592000, thirty days"));
        }
        let (key, now) = (self.new_key(), self.clock.now());
        let old_until = now.later(overlap);
        let producer = self.store.rotate(id, &digest(key.reveal()), old_until, now).await?;
        Ok((producer, key, old_until))
    }

    /// The producer with this name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn named(&self, name: &str) -> Result<Producer> {
        let name = parse_name(name)?;
        let all = self.store.list().await?;
        all.into_iter().find(|it| it.name == name).ok_or(Error::NotFound("producer"))
    }

    /// Every producer, by name, and until when its old key is good, if one still is.
    pub async fn overview(&self) -> Result<Vec<(Producer, Option<Timestamp>)>> {
        let old = self.store.old_keys(self.clock.now()).await?;
        let with_end = |producer: Producer| {
            let old = old.iter().find(|(of, _)| *of == producer.id);
            (producer, old.map(|(_, until)| *until))
        };
        Ok(self.store.list().await?.into_iter().map(with_end).collect())
    }

    /// Enables a producer: its key is good again.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn enable(&self, id: ProducerId) -> Result<()> {
        self.store.enable(id, self.clock.now()).await
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
