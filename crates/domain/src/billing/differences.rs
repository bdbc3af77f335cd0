//! Whose account says something else than the provider, told one by one.

use std::collections::BTreeSet;

use super::{Compared, PaymentSync};
use crate::{
    Result,
    account::{Tier, UserId},
};

/// Customers that one question asks for.
const AT_ONCE: u32 = 500;

/// A customer whose account says something else than the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The provider's id.
    pub customer: String,
    /// Whose it is; `None`: nobody here is known as this customer.
    pub user: Option<UserId>,
    /// What is kept that the subscriptions are good for.
    pub kept: Option<Tier>,
    /// What the provider says.
    pub listed: Option<Tier>,
}

impl PaymentSync {
    /// Compares everybody who pays with the provider's state and changes nothing. `told` hears of each page how many
    /// subscriptions it had. What it remembers grows with the customers: it is for a person who waits, not for a server.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the provider or the database is away, or nobody takes payments.
    pub async fn differences(&self, told: &(dyn Fn(usize) + Sync)) -> Result<Vec<Difference>> {
        let (mut found, mut seen, mut after) = (Vec::new(), BTreeSet::new(), None::<String>);
        loop {
            let page = self.provider()?.live_subscriptions(after.as_deref()).await?;
            told(page.subscriptions.len());
            for compared in self.listed(page.subscriptions, self.now()) {
                found.extend(self.difference(&compared).await?);
                seen.insert(compared.customer);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.extend(self.not_among(&seen).await?);
        Ok(found)
    }

    async fn difference(&self, compared: &Compared) -> Result<Option<Difference>> {
        let Compared { customer, subscribed: listed } = compared;
        let user = self.store().user_of(customer).await?;
        let record = match user {
            Some(user) => self.store().record(user).await?,
            None => None,
        };
        let kept = record.and_then(|record| record.subscribed);
        let differs = kept != *listed;
        let difference = || Difference { customer: customer.clone(), user, kept, listed: *listed };
        Ok(differs.then(difference))
    }

    /// Those whom payment gave a tier, and who are not among these.
    async fn not_among(&self, seen: &BTreeSet<String>) -> Result<Vec<Difference>> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let records = self.store().paying(after, AT_ONCE).await?;
            after = records.last().map(|record| record.user);
            if after.is_none() {
                return Ok(found);
            }
            let gone = records.into_iter().filter(|record| !seen.contains(&record.customer));
            found.extend(gone.map(|record| Difference {
                customer: record.customer,
                user: Some(record.user),
                kept: record.subscribed,
                listed: None,
            }));
        }
    }
}
