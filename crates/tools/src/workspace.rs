//! Where the workspace is.

/// The workspace's root, two folders above this crate.
pub(crate) fn root() -> &'static std::path::Path {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}
