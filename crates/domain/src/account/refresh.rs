//! Trading a refresh token for the next one.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    Accounts, AddressDigest, Refreshed, Repeat, Rotation, Secret, SessionId, SignedIn,
    accounts::REFRESH_PREFIX, digest,
};
use crate::{Error, Result};

/// How long the client that used a refresh token may send it again and hear the same: two tabs of one
/// browser that refresh at once, or an answer that was lost on its way.
const GRACE: Duration = Duration::from_secs(10);

/// The random part of a refresh token, in bytes.
const LEN: usize = 32;

const DEAD_REFRESH_TOKEN: Error =
    Error::Unauthenticated("the refresh token is not valid any more; sign in again");

impl Accounts {
    /// The session that a refresh token belongs to, also one that was used before.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a token that never was one.
    pub async fn session_of(&self, refresh_token: &str) -> Result<SessionId> {
        let session = self.ports.store.session_of_refresh(&digest(refresh_token)).await?;
        session.ok_or(DEAD_REFRESH_TOKEN)
    }

    /// Trades a refresh token for a new pair. A token that comes a second time was copied: its whole
    /// family is revoked (RFC 9700, section 4.14.2). The exception is the newest used token of a family:
    /// within ten seconds, and from the address that used it, it gives the same refresh token again.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`].
    pub async fn refresh(
        &self,
        address: Option<&AddressDigest>,
        refresh_token: &str,
    ) -> Result<SignedIn> {
        let now = self.ports.clock.now();
        let next = self.random::<LEN>();
        let denied_until = self.denied_until(now);
        let repeat = match address {
            Some(address) => Some(Repeat {
                sealed_next: hex::encode(sealed(refresh_token, next)?),
                address: address.clone(),
                until: now.later(GRACE),
            }),
            None => None,
        };
        let next = token(next);
        let rotation = Rotation {
            presented: digest(refresh_token),
            next: digest(next.reveal()),
            repeat,
            now,
            denied_until,
        };
        match self.ports.store.rotate_refresh(rotation).await? {
            Refreshed::Rotated { session, account, .. } => self.tokens(account, session, next, now),
            Refreshed::Repeated { session, account, sealed_next } => {
                let mut sealed_bytes = [0; LEN];
                hex::decode_to_slice(&sealed_next, &mut sealed_bytes).map_err(Error::internal)?;
                // Sealing twice opens.
                let next = token(sealed(refresh_token, sealed_bytes)?);
                self.tokens(account, session, next, now)
            }
            Refreshed::Replayed { .. } | Refreshed::Refused => Err(DEAD_REFRESH_TOKEN),
        }
    }
}

fn token(random: [u8; LEN]) -> Secret {
    Secret::new(format!("{REFRESH_PREFIX}{}", hex::encode(random)))
}

/// `bytes` combined with a pad that only the holder of `presented` can make: the database keeps no more
/// than that token's digest. A token is used up once, so each pad covers one successor.
fn sealed(presented: &str, bytes: [u8; LEN]) -> Result<[u8; LEN]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(presented.as_bytes()).map_err(Error::internal)?;
    mac.update(b"alpine: the refresh token that follows");
    let pad: [u8; LEN] = mac.finalize().into_bytes().into();
    Ok(std::array::from_fn(|i| bytes[i] ^ pad[i]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sealed_successor_opens_with_the_presented_token_alone(
            next: [u8; LEN], presented in "alp_r_[0-9a-f]{64}", other in "alp_r_[0-9a-f]{64}",
        ) {
            prop_assume!(presented != other);
            let kept = sealed(&presented, next).unwrap();
            prop_assert_ne!(kept, next);
            prop_assert_eq!(sealed(&presented, kept).unwrap(), next);
            prop_assert_ne!(sealed(&other, kept).unwrap(), next);
            // What the database holds of the presented token does not open it.
            prop_assert_ne!(sealed(&digest(&presented), kept).unwrap(), next);
        }
    }
}
