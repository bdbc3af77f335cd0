//! The workspace, and cargo in it.

/// The cargo that runs us.
pub(crate) fn cargo() -> std::process::Command {
    let mut command =
        std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The workspace's root: where cargo runs us, not where we were compiled, which may be another copy.
pub(crate) fn root() -> &'static std::path::Path {
    static ROOT: std::sync::LazyLock<std::path::PathBuf> = std::sync::LazyLock::new(|| {
        let own = std::env::var_os("CARGO_MANIFEST_DIR");
        let mut own =
            own.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), std::path::PathBuf::from);
        own.pop();
        own
    });
    &ROOT
}
