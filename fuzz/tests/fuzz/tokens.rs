//! A token is believed when it is, to the byte, one that was issued, and never otherwise.

use std::{sync::LazyLock, time::Duration};

use alpine_domain::{
    Timestamp,
    ports::secrets::{AccessClaims, AccessTokens as _},
};
use alpine_infra::secrets::{SignedTokens, SigningKey, TokenSettings};
use libfuzzer_sys::arbitrary::Unstructured;
use uuid::Uuid;

const SECRET: &[u8] = b"a secret of forty bytes for fuzzing alone";

/// Signed by us; remembering none, so that each is read.
static TOKENS: LazyLock<SignedTokens> = LazyLock::new(|| {
    let key = SigningKey::new(SECRET).expect("it is long enough");
    SignedTokens::new(
        key,
        Vec::new(),
        TokenSettings { verified_cache: 0, ..TokenSettings::default() },
    )
});

pub(crate) fn run(data: &[u8]) {
    let now = Timestamp::from_seconds(1_767_225_600);
    let text = String::from_utf8_lossy(data);
    assert!(TOKENS.verify(&text, now).is_err(), "nobody guesses a signature");
    let mut data = Unstructured::new(data);
    let Some(issued) = claims(&mut data, now) else { return };
    let token = TOKENS.issue(&issued).expect("claims are JSON");
    let is_short = token.len() <= 4_096;
    match TOKENS.verify(&token, now) {
        Ok(read) => assert!(*read == issued && is_short, "{read:?} {issued:?}"),
        Err(_) => assert!(!is_short || issued.expires_at <= now, "{issued:?}"),
    }
    let mut changed = token.clone().into_bytes();
    let (Ok(at), Ok(byte)) = (data.choose_index(changed.len()), data.arbitrary::<u8>()) else {
        return;
    };
    changed[at] = byte;
    let changed = String::from_utf8_lossy(&changed);
    assert!(changed == token || TOKENS.verify(&changed, now).is_err(), "{changed}");
}

fn claims(data: &mut Unstructured<'_>, now: Timestamp) -> Option<AccessClaims> {
    let life = Duration::from_secs(data.arbitrary::<u16>().ok()?.into());
    Some(AccessClaims {
        subject: Uuid::from_bytes(data.arbitrary().ok()?),
        session: Uuid::from_bytes(data.arbitrary().ok()?),
        generation: data.arbitrary().ok()?,
        issued_at: now,
        expires_at: now.later(life),
        id: data.arbitrary::<&str>().ok()?.to_owned(),
    })
}
