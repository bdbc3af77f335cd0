//! Access tokens: JWT signed with HMAC-SHA-256, and nothing else.
//!
//! Written on `hmac` and `sha2` directly. The `jsonwebtoken` crate brings RSA, elliptic curves and a
//! second version of `hmac` with its providers, or wants a provider installed for the whole process;
//! and the one attack surface of JWT is a header that the verifier obeys. Here none is obeyed: a
//! token's header must be, to the byte, one of those that this service writes for the keys that it knows. So
//! `alg: none`, other algorithms, a foreign `kid` and a token of another `typ` are not refused one by one,
//! they do not exist.

use std::{
    fmt,
    hash::{BuildHasher, DefaultHasher, Hasher, RandomState},
    sync::Arc,
};

use alpine_domain::{
    Error, Result, Timestamp,
    ports::secrets::{AccessClaims, AccessTokens},
    settings::defaults,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::SettingsError;

/// `typ` as RFC 9068 names it, so that no other token of this service passes for an access token.
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;
const LEAST_SECRET: usize = 32;
/// The longest token that is looked at, in bytes; real ones are some 300.
const LONGEST: usize = 4_096;

const REFUSED: Error = Error::Unauthenticated("the access token is not valid");
/// One of ours, and too old.
const EXPIRED: Error = Error::Unauthenticated(
    "the access token has expired: get another one for the refresh token (auth/refresh), or sign in again",
);

/// The key that signs: at least 32 bytes. `Debug` hides it.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// A key from `secret`.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, SettingsError> {
        let refused = |problem: String| {
            SettingsError::new(
                "jwt_secret",
                problem,
                "give at least 32 random bytes, made by `openssl rand -base64 48` for example",
            )
        };
        if secret.len() < LEAST_SECRET {
            return Err(refused(format!("only {} bytes long", secret.len())));
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|e| refused(e.to_string()))
    }

    /// Tells this key from the others (`kid`, RFC 7515, section 4.1.4), and nothing of the secret.
    fn id(&self) -> String {
        hex::encode(&self.over("id of an access token's key").finalize().into_bytes()[..8])
    }

    fn over(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// The section `tokens` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Who issues them (`iss`).
    pub issuer: String,
    /// Whom they are for (`aud`).
    pub audience: String,
    /// Verified tokens remembered at most, by their hash and until they end; some 300 bytes each. 0
    /// remembers none.
    pub verified_cache: usize,
}

impl Default for TokenSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("tokens")
    }
}

/// The claims as they stand in a token (RFC 7519; `sid` and `gen` are ours).
#[derive(Debug, Serialize, Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    iss: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    aud: std::borrow::Cow<'a, str>,
    sub: Uuid,
    sid: Uuid,
    jti: String,
    r#gen: i64,
    iat: i64,
    exp: i64,
}

/// Good tokens, whole.
type Remembered = Cache<
    Box<str>,
    Arc<AccessClaims>,
    UnitWeighter,
    BySignature,
    DefaultLifecycle<Box<str>, Arc<AccessClaims>>,
>;

/// Hashes the end of a token only, which is the greater part of its signature: of good tokens no two
/// share it. Keyed at random, and the whole token is compared where the hash is found.
#[derive(Debug, Clone)]
struct BySignature(RandomState);

impl BuildHasher for BySignature {
    type Hasher = LastBytes;

    fn build_hasher(&self) -> LastBytes {
        LastBytes(self.0.build_hasher())
    }
}

struct LastBytes(DefaultHasher);

impl Hasher for LastBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(&bytes[bytes.len().saturating_sub(32)..]);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// A key, and the header of tokens that name it: encoded, with its dot.
struct NamedKey {
    key: SigningKey,
    header: String,
}

impl NamedKey {
    fn of(key: SigningKey) -> Self {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#, key.id());
        Self { key, header: BASE64_URL_SAFE_NO_PAD.encode(header) + "." }
    }
}

/// Signs and verifies access tokens. Times in tokens are whole seconds: `issued_at` and
/// `expires_at` come back rounded down.
pub struct SignedTokens {
    signing: NamedKey,
    /// Keys whose tokens are good although they do not sign.
    accepted: Vec<NamedKey>,
    settings: TokenSettings,
    /// The header of tokens that name no key.
    unnamed: String,
    remembered: Option<Remembered>,
}

impl SignedTokens {
    /// Tokens signed with `key`. Those of the keys in `accepted` are good as well, until they end.
    ///
    /// Tokens name their key only while there are several: a release that knows one key refuses them.
    pub fn new(key: SigningKey, accepted: Vec<SigningKey>, settings: TokenSettings) -> Self {
        let remembered = (settings.verified_cache > 0).then(|| {
            Cache::with(
                settings.verified_cache,
                settings.verified_cache as u64,
                UnitWeighter,
                BySignature(RandomState::new()),
                DefaultLifecycle::default(),
            )
        });
        Self {
            signing: NamedKey::of(key),
            accepted: accepted.into_iter().map(NamedKey::of).collect(),
            settings,
            unnamed: BASE64_URL_SAFE_NO_PAD.encode(HEADER) + ".",
            remembered,
        }
    }

    fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        std::iter::once(&self.signing).chain(&self.accepted)
    }

    /// The header of a new token.
    fn header(&self) -> &str {
        if self.accepted.is_empty() { &self.unnamed } else { &self.signing.header }
    }

    /// The payload of a token with a good signature: by the key that it names, or by any if it names none.
    fn signed_payload<'a>(&self, token: &'a str) -> Option<&'a str> {
        if token.starts_with(&self.unnamed) {
            return self.keys().find_map(|named| payload(token, &self.unnamed, &named.key));
        }
        self.keys().find_map(|named| payload(token, &named.header, &named.key))
    }

    /// Signature first, content after.
    fn read(&self, token: &str) -> Option<AccessClaims> {
        let payload = self.signed_payload(token)?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
        let payload: Payload<'_> = serde_json::from_slice(&payload).ok()?;
        let ours = payload.iss == self.settings.issuer && payload.aud == self.settings.audience;
        let sane = payload.exp > payload.iat && payload.iat >= 0 && payload.exp <= LAST_SECOND;
        (ours && sane).then(|| AccessClaims {
            subject: payload.sub,
            session: payload.sid,
            id: payload.jti,
            generation: payload.r#gen,
            issued_at: Timestamp::from_seconds(payload.iat),
            expires_at: Timestamp::from_seconds(payload.exp),
        })
    }
}

/// What stands between this header and a good signature by this key.
fn payload<'a>(token: &'a str, header: &str, key: &SigningKey) -> Option<&'a str> {
    let (payload, signature) = token.strip_prefix(header)?.rsplit_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signed = &token[..header.len() + payload.len()];
    // In constant time, and of full length only.
    key.over(signed).verify_slice(&signature).ok()?;
    Some(payload)
}

/// The last second of the year 9999: beyond it no text form exists.
const LAST_SECOND: i64 = 253_402_300_799;

impl AccessTokens for SignedTokens {
    fn issue(&self, claims: &AccessClaims) -> Result<String> {
        let payload = Payload {
            iss: self.settings.issuer.as_str().into(),
            aud: self.settings.audience.as_str().into(),
            sub: claims.subject,
            sid: claims.session,
            jti: claims.id.clone(),
            r#gen: claims.generation,
            iat: claims.issued_at.seconds(),
            exp: claims.expires_at.seconds(),
        };
        let payload = serde_json::to_vec(&payload).map_err(Error::internal)?;
        let mut token = self.header().to_owned();
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.signing.key.over(&token).finalize().into_bytes();
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<AccessClaims>> {
        if token.len() > LONGEST {
            return Err(REFUSED);
        }
        if let Some(cache) = &self.remembered
            && let Some(claims) = cache.get(token)
        {
            if is_in_time(&claims, now) {
                return Ok(claims);
            }
            cache.remove(token);
            return Err(EXPIRED);
        }
        let claims = Arc::new(self.read(token).ok_or(REFUSED)?);
        if !is_in_time(&claims, now) {
            return Err(EXPIRED);
        }
        // Only good ones are kept, so nobody can fill the memory with guesses.
        if let Some(cache) = &self.remembered {
            cache.insert(token.into(), Arc::clone(&claims));
        }
        Ok(claims)
    }
}

/// A token of ours that was issued in the future comes from an instance whose clock is ahead: no reason
/// to refuse it, and RFC 7519, section 4.1.6, knows none.
fn is_in_time(claims: &AccessClaims, now: Timestamp) -> bool {
    now < claims.expires_at
}
