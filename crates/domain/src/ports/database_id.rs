//! Which database this is.

use std::fmt;

use async_trait::async_trait;

use crate::Result;

/// The random id of one database. It was made together with the schema and never changes, so two
/// deployments with databases of their own have different ones, whatever else they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatabaseId(u128);

impl DatabaseId {
    /// The id with this number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Reads 32 hexadecimal digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    /// As 16 bytes, the most significant first.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Reads the id of the database in use.
#[async_trait]
pub trait DatabaseIdentity: Send + Sync {
    /// The id.
    ///
    /// # Errors
    /// When the database is away, or its schema is older than the id.
    async fn database_id(&self) -> Result<DatabaseId>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let id = DatabaseId::new(0x00ff_0000_0000_0000_0000_0000_0000_00a1);
        assert_eq!(id.to_string(), "00ff00000000000000000000000000a1");
        assert_eq!(DatabaseId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_bytes(), [0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1]);
        for wrong in
            ["", "ff", "+0ff00000000000000000000000000a1", "00ff00000000000000000000000000g1"]
        {
            assert_eq!(DatabaseId::parse(wrong), None, "{wrong}");
        }
    }
}
