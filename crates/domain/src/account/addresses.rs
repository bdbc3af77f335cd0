//! Where sign-ins came from, remembered without writing addresses down.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Secret;
use crate::{Error, Result};

/// The digest of a client's address group. Without the key that made it, it tells nobody the address,
/// though there are few enough IPv4 addresses to try them all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressDigest(String);

impl AddressDigest {
    /// The digest of `group`, a text that stands for all addresses of one client.
    ///
    /// # Errors
    /// [`Error::Internal`] for a key that HMAC refuses; it refuses none.
    ///
    /// ```
    /// use alpine_domain::account::{AddressDigest, Secret};
    ///
    /// let key = Secret::new("32 random bytes, as hexadecimal digits");
    /// let home = AddressDigest::of("192.0.2.7", &key)?;
    /// assert_eq!(home, AddressDigest::of("192.0.2.7", &key)?);
    /// assert_ne!(home, AddressDigest::of("192.0.2.8", &key)?);
    /// assert_ne!(home, AddressDigest::of("192.0.2.7", &Secret::new("another key"))?);
    /// # Ok::<(), alpine_domain::Error>(())
    /// ```
    pub fn of(group: &str, key: &Secret) -> Result<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
            .map_err(|error| Error::internal(error.to_string()))?;
        // The key signs tokens as well; no token begins like this.
        mac.update(b"address of a sign-in\0");
        mac.update(group.as_bytes());
        Ok(Self(hex::encode(mac.finalize().into_bytes())))
    }

    /// A digest that was stored.
    pub const fn from_stored(digest: String) -> Self {
        Self(digest)
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is stored: another form would forget from where everybody signed in.
    #[test]
    fn a_digest_stays_what_it_is() {
        let digest = AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap();
        assert_eq!(
            digest.as_str(),
            "e98b495f2876dc0bd31303ecd59c0047fe8854db88ac3362765fd8ac29796831"
        );
    }
}
