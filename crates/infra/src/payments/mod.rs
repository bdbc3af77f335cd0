//! Payments by Stripe, or by nobody.

mod development;
mod signature;
mod stripe;

pub use development::DevelopmentPayments;
pub use signature::{TOLERANCE, sign};
pub use stripe::{API_VERSION, StripePayments, StripeSettings};
