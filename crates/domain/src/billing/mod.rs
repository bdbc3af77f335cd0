//! Who pays, and what for. Access follows the provider's own state: events, the hourly comparison and the end of a
//! period all lead to one reading of that state ([`PaymentSync::refresh`]).

mod differences;
mod entitlement;
mod figures;
mod prices;
mod store;
mod subscriptions;
mod sync;

pub use differences::Difference;
pub use entitlement::{Entitlement, entitlement};
pub use figures::{Paying, revenue};
pub use prices::{BillingInterval, PriceList, PricedPlan};
pub use store::{
    Applied, BillingRecord, BillingStore, Compared, CurrentSubscription, InvoicePage, Reading,
    ReceivedEvent, StoredInvoice,
};
pub use subscriptions::{OwnPlan, Subscriptions, Upgraded};
pub use sync::{PaymentSync, Received, SweepStep};

/// How billing behaves.
#[derive(Debug, Clone)]
pub struct BillingSettings {
    /// What can be bought, and what it costs.
    pub prices: PriceList,
    /// How long access goes on after a renewal was not paid, counted from the period's beginning.
    pub grace: std::time::Duration,
    /// Where people come back to from the provider's pages, without a slash at its end.
    pub return_to: String,
}

impl Default for BillingSettings {
    /// Nothing is sold; a week of grace.
    fn default() -> Self {
        let grace = std::time::Duration::from_hours(7 * 24);
        Self { prices: PriceList::default(), grace, return_to: String::new() }
    }
}
