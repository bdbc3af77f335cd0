//! From what came over the wire to what the domain understands. Every refusal names its field.

pub mod accept;
pub mod address;
pub mod body;
pub mod fields;
pub mod pairs;
pub mod parameter;
pub mod query;
pub(crate) mod unknown;
