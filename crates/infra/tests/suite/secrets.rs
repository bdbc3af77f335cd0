//! Passwords and tokens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Timestamp,
    ports::secrets::{AccessClaims, AccessTokens, HashPriority, PasswordCheck, PasswordHasher},
};
use alpine_infra::secrets::{Argon2Hasher, HashSettings, SignedTokens, SigningKey, TokenSettings};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::support::metrics;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;
const PAYLOAD: &str = r#"{"iss":"alpine","aud":"alpine-api","sub":"00000000-0000-0000-0000-000000000007","sid":"00000000-0000-0000-0000-000000000001","jti":"t1","gen":3,"iat":1000,"exp":1900}"#;

fn tokens() -> SignedTokens {
    signing(SECRET, &[])
}

/// Tokens of one key, where those of others are good as well.
fn signing(secret: &[u8], accepted: &[&[u8]]) -> SignedTokens {
    let key = |secret: &[u8]| SigningKey::new(secret).unwrap();
    let accepted = accepted.iter().map(|secret| key(secret)).collect();
    SignedTokens::new(key(secret), accepted, TokenSettings::default())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn claims() -> AccessClaims {
    AccessClaims {
        subject: uuid::Uuid::from_u128(7),
        session: uuid::Uuid::from_u128(1),
        id: "t1".into(),
        generation: 3,
        issued_at: at(1_000),
        expires_at: at(1_900),
    }
}

/// A token with any header and payload, signed with any key.
fn signed(header: &str, payload: &str, key: &[u8]) -> String {
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn is_refused(token: &str) -> bool {
    matches!(tokens().verify(token, at(1_500)), Err(Error::Unauthenticated(_)))
}

#[test]
fn what_was_issued_is_verified_until_it_ends() {
    let tokens = tokens();
    let token = tokens.issue(&claims()).unwrap();
    // Twice: the second answer is remembered, and must obey the clock all the same.
    for _ in 0..2 {
        assert_eq!(*tokens.verify(&token, at(1_500)).unwrap(), claims());
    }
    assert!(tokens.verify(&token, at(1_899)).is_ok());
    assert!(tokens.verify(&token, at(1_900)).is_err());
    // Issued in the future, by a clock that was set back since, or by another instance's.
    assert!(tokens.verify(&token, at(900)).is_ok());
    let never = TokenSettings { verified_cache: 0, ..TokenSettings::default() };
    let forgetful = SignedTokens::new(SigningKey::new(SECRET).unwrap(), Vec::new(), never);
    assert!(forgetful.verify(&token, at(1_500)).is_ok());
    assert!(!format!("{:?}", SigningKey::new(SECRET).unwrap()).contains("0123"));
}

#[test]
fn the_format_is_plain_jwt() {
    assert_eq!(tokens().issue(&claims()).unwrap(), signed(HEADER, PAYLOAD, SECRET));
}

/// A secret is changed in three steps, each on one instance after the other: the next one is accepted, it
/// signs and the old one is accepted, the old one is gone.
#[test]
fn a_token_is_good_on_all_instances_while_the_secret_is_changed() {
    let (old, new): (&[u8], &[u8]) = (SECRET, b"another secret of thirty-two byt");
    let steps = [signing(old, &[]), signing(old, &[new]), signing(new, &[old]), signing(new, &[])];
    let token = |step: usize| steps[step].issue(&claims()).unwrap();
    let is_good = |on: usize, token: &str| match steps[on].verify(token, at(1_500)) {
        Ok(found) => *found == claims(),
        Err(_) => false,
    };
    for (one, other) in [(0, 1), (1, 2), (2, 3)] {
        for step in [one, other] {
            for on in [one, other] {
                assert!(is_good(on, &token(step)), "of step {step} in step {on}");
            }
        }
    }
    // What the old one signed ends with it.
    for step in [0, 1] {
        assert!(!is_good(3, &token(step)), "of step {step}");
    }
    // Only where a release must know of several is the key named.
    let named = |step: usize| {
        let header = BASE64.decode(token(step).split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().map(str::to_owned)
    };
    assert_eq!([named(0), named(3)], [None, None]);
    let (of_old, of_new) = (named(1).unwrap(), named(2).unwrap());
    assert_ne!(of_old, of_new);
    // The name decides: with the other key's signature it is worth nothing.
    let header = |kid: &str| format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
    assert!(is_good(2, &signed(&header(&of_old), PAYLOAD, old)));
    assert!(!is_good(2, &signed(&header(&of_old), PAYLOAD, new)));
    assert!(!is_good(2, &signed(&header(&of_new), PAYLOAD, old)));
    assert!(!is_good(2, &signed(&header("0000000000000000"), PAYLOAD, new)));
}

#[test]
fn every_other_header_is_refused_even_with_our_signature() {
    for header in [
        r#"{"alg":"none","typ":"at+jwt"}"#,
        r#"{"alg":"HS512","typ":"at+jwt"}"#,
        r#"{"alg":"RS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"refresh"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","typ":"at+jwt","crit":["exp"]}"#,
    ] {
        assert!(is_refused(&signed(header, PAYLOAD, SECRET)), "{header}");
    }
    let unsigned = format!("{}.{}.", BASE64.encode(HEADER), BASE64.encode(PAYLOAD));
    assert!(is_refused(&unsigned));
    let none = BASE64.encode(r#"{"alg":"none"}"#);
    assert!(is_refused(&format!("{none}.{}.", BASE64.encode(PAYLOAD))));
}

#[test]
fn odd_payloads_are_refused_even_with_our_signature() {
    assert!(!is_refused(&signed(HEADER, PAYLOAD, SECRET)));
    for (from, to) in [
        (r#","exp":1900"#, ""),
        (r#""exp":1900"#, r#""exp":"1900""#),
        (r#""exp":1900"#, r#""exp":1900.5"#),
        (r#""exp":1900"#, r#""exp":1e12"#),
        (r#""exp":1900"#, r#""exp":null"#),
        (r#""exp":1900"#, r#""exp":-1"#),
        (r#""exp":1900"#, r#""exp":9223372036854775807"#),
        (r#""exp":1900"#, r#""exp":999999999999999999999999"#),
        (r#""exp":1900"#, r#""exp":1400"#),
        (r#""iss":"alpine""#, r#""iss":"other""#),
        (r#""aud":"alpine-api""#, r#""aud":"other""#),
        (r#""aud":"alpine-api""#, r#""aud":["alpine-api","other"]"#),
        (r#""jti":"t1","#, ""),
        (r#""sub":"00000000-0000-0000-0000-000000000007""#, r#""sub":7"#),
        (r#""gen":3"#, r#""gen":3,"exp":9000"#),
    ] {
        let payload = PAYLOAD.replacen(from, to, 1);
        assert_ne!(payload, PAYLOAD);
        assert!(is_refused(&signed(HEADER, &payload, SECRET)), "{payload}");
    }
}

#[test]
fn other_keys_and_damaged_texts_are_refused() {
    let token = signed(HEADER, PAYLOAD, SECRET);
    assert!(is_refused(&signed(HEADER, PAYLOAD, b"another secret of thirty-two byt")));
    for at in 0..token.len() {
        let mut damaged = token.clone().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(damaged).unwrap();
        // The last character carries spare bits; either way it must not be the same text twice.
        assert!(is_refused(&damaged), "at {at}");
    }
    for text in ["", ".", "..", "a.b.c", "é.é.é", &token[1..], &token[..token.len() - 5]] {
        assert!(is_refused(text), "{text}");
    }
    assert!(is_refused(&"x".repeat(1 << 20)));
    assert!(is_refused(&format!("{token}.")));
    assert!(is_refused(&format!("{token}=")));
}

#[test]
fn a_short_secret_makes_no_key() {
    let error = SigningKey::new(&SECRET[1..]).unwrap_err();
    assert_eq!(error.key, "jwt_secret");
    assert!(error.to_string().contains("32"));
}

fn hasher() -> Argon2Hasher {
    Argon2Hasher::new(HashSettings::default(), metrics()).unwrap()
}

#[tokio::test]
async fn passwords_are_checked() {
    let hasher = hasher();
    let hash = hasher.hash("correct horse battery", HashPriority::Known).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hasher.hash("correct horse battery", HashPriority::Known).await.unwrap(), hash);
    let check = |password| hasher.check(password, Some(&hash), HashPriority::Known);
    assert_eq!(check("correct horse battery").await.unwrap(), PasswordCheck::Right);
    assert_eq!(check("correct horse batterz").await.unwrap(), PasswordCheck::Wrong);
    assert_eq!(check("").await.unwrap(), PasswordCheck::Wrong);
    assert_eq!(hasher.check("x", None, HashPriority::Known).await.unwrap(), PasswordCheck::Wrong);
    assert!(matches!(
        hasher.check("x", Some("not a hash"), HashPriority::Known).await,
        Err(Error::Internal(_))
    ));
    let huge = "x".repeat(1 << 20);
    assert_eq!(check(&huge).await.unwrap(), PasswordCheck::Wrong);
    assert!(matches!(hasher.hash(&huge, HashPriority::Known).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn weaker_hashes_are_right_but_outdated() {
    let old = hasher().hash("correct horse battery", HashPriority::Known).await.unwrap();
    let settings = HashSettings { iterations: 3, ..HashSettings::default() };
    let today = Argon2Hasher::new(settings, metrics()).unwrap();
    let check = |password| today.check(password, Some(&old), HashPriority::Known);
    assert_eq!(check("correct horse battery").await.unwrap(), PasswordCheck::RightButOutdated);
    assert_eq!(check("wrong horse").await.unwrap(), PasswordCheck::Wrong);
}

/// The original hashed with more memory and two lanes. Whoever has such a hash signs in, and gets one like all others.
#[tokio::test]
async fn hashes_of_the_original_are_right_but_outdated() {
    let settings = HashSettings { memory_kib: 65_536, parallelism: 2, ..HashSettings::default() };
    let original = Argon2Hasher::new(settings, metrics()).unwrap();
    let old = original.hash("correct horse battery", HashPriority::Known).await.unwrap();
    assert!(old.starts_with("$argon2id$v=19$m=65536,t=2,p=2$"), "{old}");
    let today = hasher();
    let check = |password| today.check(password, Some(&old), HashPriority::Known);
    assert_eq!(check("correct horse battery").await.unwrap(), PasswordCheck::RightButOutdated);
    assert_eq!(check("correct horse batterz").await.unwrap(), PasswordCheck::Wrong);
}

#[tokio::test]
async fn an_unknown_account_takes_as_long_as_a_wrong_password() {
    let hasher = hasher();
    let hash = hasher.hash("correct horse battery", HashPriority::Known).await.unwrap();
    let mut best = [Duration::MAX; 2];
    // The best of several: the least disturbed by whatever else the machine does.
    for _ in 0..7 {
        for (slot, hash) in best.iter_mut().zip([Some(hash.as_str()), None]) {
            let started = std::time::Instant::now();
            hasher.check("wrong", hash, HashPriority::Known).await.unwrap();
            *slot = started.elapsed().min(*slot);
        }
    }
    let [known, unknown] = best;
    // Without the work for nobody, it would be thousands of times faster; a busy machine is not.
    assert!(unknown > known / 8 && known > unknown / 8, "{known:?} {unknown:?}");
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_again() {
    let settings = HashSettings { concurrent: 1, queue: 2, ..HashSettings::default() };
    let hasher = Arc::new(Argon2Hasher::new(settings, metrics()).unwrap());
    let mut calls = Vec::new();
    for _ in 0..20 {
        let hasher = Arc::clone(&hasher);
        calls.push(tokio::spawn(
            async move { hasher.check("x", None, HashPriority::Stranger).await },
        ));
    }
    let (mut done, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => done += 1,
            Err(Error::Unavailable { retry_after, .. }) => {
                assert_eq!(retry_after, Duration::from_secs(1));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(done >= 3 && refused > 0, "{done} {refused}");
    // And it recovers.
    assert!(hasher.check("x", None, HashPriority::Known).await.is_ok());
}

#[test]
fn settings_below_the_floor_are_refused() {
    let default = HashSettings::default();
    for (key, settings) in [
        ("memory_kib", HashSettings { memory_kib: 19_455, ..default }),
        ("iterations", HashSettings { iterations: 1, ..default }),
        ("parallelism", HashSettings { parallelism: 0, ..default }),
    ] {
        assert_eq!(Argon2Hasher::new(settings, metrics()).err().unwrap().key, key);
    }
}

/// Set for the child process that [`a_storm_leaves_no_more_memory_than_the_slots_hold`] starts.
const STORM: &str = "ALPINE_TEST_STORM";

#[test]
fn a_storm_leaves_no_more_memory_than_the_slots_hold() {
    const NAME: &str = "secrets::a_storm_leaves_no_more_memory_than_the_slots_hold";
    if std::env::var_os(STORM).is_some() {
        return storm();
    }
    // A process of its own, whose memory is nobody else's.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(STORM, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}");
    let resident = text.lines().find_map(|line| line.split_once("resident KiB: ")).unwrap().1;
    let resident: u64 = resident.trim().parse().unwrap();
    // Three slots of 19 MiB; what is left is this test's own program.
    assert!(resident < 90_000, "{resident} KiB are resident after the storm");
}

fn storm() {
    let settings = HashSettings { concurrent: 3, queue: 200, ..HashSettings::default() };
    let hasher = Arc::new(Argon2Hasher::new(settings, metrics()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let checks = (0..30).map(|_| {
            let hasher = Arc::clone(&hasher);
            tokio::spawn(async move { hasher.check("x", None, HashPriority::Stranger).await })
        });
        for check in checks.collect::<Vec<_>>() {
            assert_eq!(check.await.unwrap().unwrap(), PasswordCheck::Wrong);
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    println!("resident KiB: {}", line.trim().trim_end_matches(" kB"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_strangers_does_not_shut_out_whoever_is_known() {
    for at_once in [1, 3] {
        let settings = HashSettings { concurrent: at_once, queue: 8, ..HashSettings::default() };
        let hasher = Arc::new(Argon2Hasher::new(settings, metrics()).unwrap());
        let served = Arc::new(AtomicUsize::new(0));
        let storm: Vec<_> = (0..50)
            .map(|_| {
                let (hasher, served) = (Arc::clone(&hasher), Arc::clone(&served));
                tokio::spawn(async move {
                    loop {
                        if hasher.check("x", None, HashPriority::Stranger).await.is_ok() {
                            served.fetch_add(1, Ordering::SeqCst);
                        } else {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                })
            })
            .collect();
        while served.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..4 {
            let before = served.load(Ordering::SeqCst);
            let check = hasher.check("x", None, HashPriority::Known).await;
            assert_eq!(check.unwrap(), PasswordCheck::Wrong, "{at_once} at once");
            let overtaken_by = served.load(Ordering::SeqCst) - before;
            // Those that had their slot already, those beside it, and as many for a thread that the
            // machine left waiting.
            assert!(overtaken_by <= 2 * at_once + 2, "{overtaken_by} of {at_once} at once");
        }
        for task in storm {
            task.abort();
        }
    }
}
