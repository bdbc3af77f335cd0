//! The switch of a mutant: all are built into one program, and one is on while it runs.

/// The environment variable that chooses a mutant in the copy.
pub(super) const CHOSEN: &str = "ALPINE_MUTANT";

/// An expression that is true in a program that was started with this mutant.
pub(super) fn expression(mutant: &str) -> String {
    // A call, because a bare block would be a statement where a body begins with it.
    format!(
        "std::convert::identity({{ static ON: std::sync::LazyLock<bool> = \
         std::sync::LazyLock::new(|| std::env::var(\"{CHOSEN}\")\
         .is_ok_and(|name| name == {mutant:?})); *ON }})"
    )
}
