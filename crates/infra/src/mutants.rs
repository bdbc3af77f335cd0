//! Switches that turn one mechanism off, to prove that a test depends on it.
//!
//! A test that passes without the mechanism that it is named after proves nothing. With the feature
//! `mutants`, which no default build has, the environment variable `ALPINE_MUTANT` names one entry
//! of [`MECHANISMS`] and [`is_off`] says so where the mechanism stands. Without the feature the
//! answer is a constant, and nothing of this is left in the program.

/// A mechanism that an invariant of the hot path depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Serving an entry only while its tags' generations are the current ones.
    CacheGenerationCheck,
    /// Keeping a loaded body only if nothing was invalidated during the load.
    LoadRaceCheck,
    /// Looking shared entries up under the generations known here.
    SharedGenerations,
    /// Part of every key: who may receive the body.
    CacheScope,
    /// One load per key at a time in the process.
    SingleFlight,
    /// One load per key at a time over all instances.
    LoadLease,
    /// Giving a load up at its deadline.
    LoadDeadline,
    /// Dropping an entry once it is older than TTL and grace.
    TtlGraceBound,
    /// Bounding what is kept in memory in bytes and in number.
    CacheBound,
    /// Counting the sub-bucket that is partly outside the window.
    LimiterTrailingBucket,
    /// Debiting every window or none.
    LimiterAllOrNothing,
    /// Counting by the clock of the shared server instead of the host's.
    LimiterServerClock,
    /// Charging a lease as if it were spent at its last moment.
    LeaseChargeLate,
    /// Answering several requests from one grant.
    LimiterLease,
    /// Remembering a refusal until it can change.
    LocalDenial,
    /// Admitting an instance's own part of a coarse policy without asking.
    OwnPart,
    /// Charging what was admitted locally once the shared store is back.
    DebtAfterOutage,
    /// Noticing that the shared store has forgotten what it was told.
    LossDetection,
    /// Dividing the limit by the instances while the shared store is away.
    FallbackShare,
    /// Bounding the callers that are counted one by one.
    LimiterBound,
    /// Keeping requests off a server that failed.
    Breaker,
    /// Giving a use of Redis up at its deadline.
    RedisDeadline,
    /// The exact set of refused tokens in the process.
    BlacklistLocalSet,
    /// Bounding that set, refusing to guess beyond it.
    BlacklistBound,
    /// Refusing to answer when the log was not read for too long.
    FreshnessProof,
    /// Reading the log without having been woken.
    FollowerPoll,
    /// The generation of a user in each token.
    UserGeneration,
    /// Believing proxies of ours only.
    TrustedProxies,
}

/// A mechanism, the name that `ALPINE_MUTANT` takes, and the invariant that falls with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// What it turns off.
    pub mechanism: Mechanism,
    /// The value of `ALPINE_MUTANT`.
    pub name: &'static str,
    /// The number of the invariant that the mechanism serves first of all.
    pub invariant: u8,
}

const fn switch(mechanism: Mechanism, name: &'static str, invariant: u8) -> Switch {
    Switch { mechanism, name, invariant }
}

/// Every switch there is.
pub const MECHANISMS: [Switch; 28] = [
    switch(Mechanism::LimiterLease, "limiter-lease", 1),
    switch(Mechanism::LocalDenial, "local-denial", 1),
    switch(Mechanism::OwnPart, "own-part", 1),
    switch(Mechanism::LimiterTrailingBucket, "limiter-trailing-bucket", 2),
    switch(Mechanism::LimiterServerClock, "limiter-server-clock", 2),
    switch(Mechanism::LeaseChargeLate, "lease-charge-late", 2),
    switch(Mechanism::FallbackShare, "fallback-share", 2),
    switch(Mechanism::LimiterAllOrNothing, "limiter-all-or-nothing", 3),
    switch(Mechanism::BlacklistLocalSet, "blacklist-local-set", 4),
    switch(Mechanism::FreshnessProof, "freshness-proof", 4),
    switch(Mechanism::UserGeneration, "user-generation", 5),
    switch(Mechanism::CacheGenerationCheck, "cache-generation-check", 6),
    switch(Mechanism::LoadRaceCheck, "load-race-check", 6),
    switch(Mechanism::SharedGenerations, "shared-generations", 6),
    switch(Mechanism::SingleFlight, "single-flight", 7),
    switch(Mechanism::LoadLease, "load-lease", 7),
    switch(Mechanism::LoadDeadline, "load-deadline", 7),
    switch(Mechanism::Breaker, "breaker", 8),
    switch(Mechanism::RedisDeadline, "redis-deadline", 8),
    switch(Mechanism::DebtAfterOutage, "debt-after-outage", 9),
    switch(Mechanism::LossDetection, "loss-detection", 9),
    switch(Mechanism::CacheScope, "cache-scope", 10),
    switch(Mechanism::TtlGraceBound, "ttl-grace-bound", 11),
    switch(Mechanism::CacheBound, "cache-bound", 12),
    switch(Mechanism::LimiterBound, "limiter-bound", 12),
    switch(Mechanism::BlacklistBound, "blacklist-bound", 12),
    switch(Mechanism::FollowerPoll, "follower-poll", 13),
    switch(Mechanism::TrustedProxies, "trusted-proxies", 14),
];

/// Whether `mechanism` is switched off: the constant `false` without the feature.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the constant must vanish from every caller")]
pub const fn is_off(_mechanism: Mechanism) -> bool {
    false
}

/// Whether `ALPINE_MUTANT` names `mechanism`. Read once.
///
/// # Panics
/// When the variable names no switch: a test run that switches nothing off would prove nothing.
#[cfg(feature = "mutants")]
pub fn is_off(mechanism: Mechanism) -> bool {
    use std::sync::OnceLock;
    static OFF: OnceLock<Option<Mechanism>> = OnceLock::new();
    let off = OFF.get_or_init(|| {
        let name = std::env::var("ALPINE_MUTANT").ok().filter(|name| !name.is_empty())?;
        let found = MECHANISMS.iter().find(|switch| switch.name == name);
        Some(found.unwrap_or_else(|| panic!("ALPINE_MUTANT={name} names no mechanism")).mechanism)
    });
    *off == Some(mechanism)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_has_one_name_and_an_invariant() {
        for (n, switch) in MECHANISMS.iter().enumerate() {
            assert!((1..=14).contains(&switch.invariant));
            for other in &MECHANISMS[n + 1..] {
                assert_ne!(switch.name, other.name);
                assert_ne!(switch.mechanism, other.mechanism);
            }
        }
    }
}
