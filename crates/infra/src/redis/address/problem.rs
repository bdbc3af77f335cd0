//! What is said of an address that cannot be used.

use crate::SettingsError;

pub(in crate::redis) const KEY: &str = "redis.url";

const REMEDY: &str = "use redis://[user[:password]@]host[:port][/db], rediss:// for TLS, unix:///path, \
                      redis+sentinel://[user:password@]host[:port],…/master[/db], or \
                      redis+cluster://[user:password@]host[:port],… (rediss+… for TLS), and write @ : / \
                      ? # % in a user or password as %40 %3A %2F %3F %23 %25";

pub(super) fn wrong(problem: impl Into<String>) -> SettingsError {
    SettingsError::new(KEY, problem, REMEDY)
}
