//! What a producer published, as the producer sees it: all of it, at once.

use super::{Catalogue, ExternalId, OwnFilter, Signal, catalogue::page_of};
use crate::{
    Error, Result,
    page::{Page, Slice, TOTAL_CAP},
    producer::ProducerId,
};

impl Catalogue {
    /// A page of the producer's own signals, the newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn own(
        &self,
        producer: ProducerId,
        filter: &OwnFilter,
        slice: Slice,
    ) -> Result<Page<Signal>> {
        let one_more = Slice { limit: slice.limit.saturating_add(1), ..slice };
        let items = self.store.own(producer, filter, one_more).await?;
        let count = self.store.count_own(producer, filter, TOTAL_CAP + 1).await?;
        Ok(page_of(items, slice, count))
    }

    /// One of the producer's own signals, by its own id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn own_signal(&self, producer: ProducerId, id: &ExternalId) -> Result<Signal> {
        self.store.find_external(producer, id).await?.ok_or(Error::NotFound("signal"))
    }
}
