//! Secrets that are stored encrypted: XChaCha20-Poly1305, whose nonces of 192 bits may be drawn at random
//! however many there are (draft-irtf-cfrg-xchacha, section 2.1).

use std::fmt;

use alpine_domain::{
    Error, Result,
    account::Secret,
    ports::{
        sealing::{Opened, Sealing},
        secrets::Randomness,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::OsRandomness;

const NONCE: usize = 24;

/// Names in a sealed text are of so many hexadecimal digits.
const NAME: usize = 16;

struct NamedKey {
    name: String,
    cipher: XChaCha20Poly1305,
}

impl NamedKey {
    fn of(secret: &Secret) -> Result<Self> {
        let cipher = XChaCha20Poly1305::new_from_slice(&derived(secret, "key that seals")?);
        let name = derived(secret, "name of the key that seals")?;
        Ok(Self {
            name: hex::encode(&name[..NAME / 2]),
            cipher: cipher.map_err(|error| Error::internal(error.to_string()))?,
        })
    }
}

/// 256 bits that the secret gives for one purpose, and no other.
fn derived(secret: &Secret, purpose: &str) -> Result<[u8; 32]> {
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret.reveal().as_bytes());
    let mut mac = mac.map_err(Error::internal)?;
    mac.update(b"alpine: ");
    mac.update(purpose.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

/// Keys that open, the first of which seals. A sealed text names its key.
pub struct Keyring(Vec<NamedKey>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(hidden)")
    }
}

impl Keyring {
    /// Seals with a key made from `current`, and opens with those of `accepted` as well. Without a secret
    /// nothing is sealed or opened.
    ///
    /// # Errors
    /// [`Error::Internal`] when no key can be made of a secret, which none causes.
    pub fn new(current: Option<&Secret>, accepted: &[Secret]) -> Result<Self> {
        // Without one that seals, none opens: the first would seal otherwise.
        let accepted = if current.is_some() { accepted } else { &[] };
        current.into_iter().chain(accepted).map(NamedKey::of).collect::<Result<_>>().map(Self)
    }
}

fn no_key() -> Error {
    Error::unavailable("two-factor sign-in", "secrets.second_factor is not set")
}

fn unreadable() -> Error {
    Error::internal("no key of secrets.second_factor and secrets.accepted_second_factor opens it")
}

impl Sealing for Keyring {
    fn seal(&self, plain: &[u8], about: &[u8]) -> Result<String> {
        let key = self.0.first().ok_or_else(no_key)?;
        let mut nonce = [0; NONCE];
        OsRandomness.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: about };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|error| Error::internal(error.to_string()))?;
        let text = BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{}.{text}", key.name))
    }

    fn open(&self, sealed: &str, about: &[u8]) -> Result<Opened> {
        if self.0.is_empty() {
            return Err(no_key());
        }
        let (name, text) = sealed.split_once('.').ok_or_else(unreadable)?;
        let place = self.0.iter().position(|key| key.name == name).ok_or_else(unreadable)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| unreadable())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(unreadable)?;
        let payload = Payload { msg: sealed, aad: about };
        let plain = self.0[place].cipher.decrypt(&XNonce::from(*nonce), payload);
        let plain = plain.map_err(|_| unreadable())?;
        Ok(Opened { plain, is_outdated: place > 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(secrets: &[&str]) -> Keyring {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        Keyring::new(secrets.first(), secrets.get(1..).unwrap_or_default()).unwrap()
    }

    #[test]
    fn a_secret_opens_about_whom_it_was_sealed_and_nobody_else() {
        let ring = ring(&["a"]);
        let sealed = ring.seal(b"secret", b"ada").unwrap();
        let opened = ring.open(&sealed, b"ada").unwrap();
        assert_eq!((opened.plain.as_slice(), opened.is_outdated), (&b"secret"[..], false));
        assert!(ring.open(&sealed, b"bob").is_err());
        assert_ne!(ring.seal(b"secret", b"ada").unwrap(), sealed, "another nonce");
        assert!(!sealed.contains(&BASE64_URL_SAFE_NO_PAD.encode("secret")));
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let ring = ring(&["a"]);
        let sealed = ring.seal(b"secret", b"ada").unwrap();
        let (name, text) = sealed.split_once('.').unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{name}.{}", BASE64_URL_SAFE_NO_PAD.encode(changed));
            assert!(ring.open(&changed, b"ada").is_err(), "byte {at}");
        }
        for text in ["", ".", name, &format!("{name}."), &format!("{name}.AAAA"), text] {
            assert!(ring.open(text, b"ada").is_err(), "{text}");
        }
    }

    #[test]
    fn accepted_keys_open_and_seal_no_more() {
        let old = ring(&["old"]).seal(b"secret", b"ada").unwrap();
        let both = ring(&["new", "old"]);
        assert!(both.open(&old, b"ada").unwrap().is_outdated);
        let new = both.seal(b"secret", b"ada").unwrap();
        assert!(!ring(&["new"]).open(&new, b"ada").unwrap().is_outdated);
        assert!(ring(&["new"]).open(&old, b"ada").is_err());
        assert!(ring(&["old"]).open(&new, b"ada").is_err());
    }

    #[test]
    fn without_a_key_nothing_is_sealed_or_opened() {
        let sealed = ring(&["a"]).seal(b"secret", b"ada").unwrap();
        let none = Keyring::new(None, &[Secret::new("a")]).unwrap();
        assert!(matches!(none.seal(b"secret", b"ada"), Err(Error::Unavailable { .. })));
        assert!(matches!(none.open(&sealed, b"ada"), Err(Error::Unavailable { .. })));
    }
}
