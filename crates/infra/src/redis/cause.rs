//! Why Redis cannot be used: what an error means for all requests.

use redis::{ErrorKind, RedisError, ServerError};

const SCRIPT_LACKS_RIGHTS: &str = "The user executing the script can't";

/// Why Redis is not in use. Its text is shown on `/health`, so it repeats nothing that the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No answer, or no connection.
    Unreachable,
    /// The server does not speak TLS on this port.
    NoTls,
    /// No answer to TLS on a connection that was made; a server that does not speak it waits for more.
    SilentTls,
    /// The server ends connections at once, as one does that wants TLS.
    HangsUp,
    /// The server's certificate is not one that this machine trusts.
    UntrustedCertificate,
    /// Answers took longer than the deadline of a request.
    Slow,
    /// `OOM`: the memory limit is reached and nothing may be evicted.
    OutOfMemory,
    /// `READONLY`: a replica, or a demoted master.
    ReadOnly,
    /// `NOREPLICAS`: fewer replicas are connected than `min-replicas-to-write`.
    TooFewReplicas,
    /// `MISCONF`: the server cannot write to its disk and is told to stop then.
    NotPersisting,
    /// `NOPERM`: the user lacks a right that Alpine needs.
    LacksRights,
    /// `NOAUTH`, `WRONGPASS`: the server does not accept user and password.
    Unauthenticated,
    /// `LOADING`: the server reads its data after a start.
    Loading,
    /// `CLUSTERDOWN`, `MASTERDOWN`: slots without a master, or a replica without one.
    NoMaster,
    /// The address leads to another server than the one in use.
    Moved,
    /// A reply that none of the above explains.
    UnexpectedReply,
}

impl Cause {
    /// The cause for which `error` takes Redis out of use; `None` if the error concerns only the
    /// command that got it.
    pub(super) fn of(error: &RedisError) -> Option<Self> {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Some(Self::Unauthenticated);
        }
        // A server's reply, or the replies to a pipeline.
        if let Some(replies) = error.clone().into_server_errors() {
            return replies.iter().find_map(|(_, reply)| Self::of_reply(reply));
        }
        if let Some(cause) = Self::of_tls(&error.to_string()) {
            return Some(cause);
        }
        let is_connection_fault = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || error.is_unrecoverable_error();
        is_connection_fault.then_some(Self::Unreachable)
    }

    /// What OpenSSL says of a handshake that failed has no code of its own here.
    fn of_tls(text: &str) -> Option<Self> {
        if text.contains("wrong version number") || text.contains("packet length too long") {
            return Some(Self::NoTls);
        }
        text.contains("certificate verify failed").then_some(Self::UntrustedCertificate)
    }

    /// The cause of a server that was never used: then it may be the address that is wrong.
    pub(super) fn at_first(self, error: Option<&RedisError>, has_tls: bool) -> Self {
        let is_silent = error.is_none_or(RedisError::is_timeout);
        let is_dropped = error
            .is_some_and(|error| error.is_connection_dropped() && !error.is_connection_refusal());
        match self {
            Self::Unreachable if has_tls && is_silent => Self::SilentTls,
            Self::Unreachable if !has_tls && is_dropped => Self::HangsUp,
            other => other,
        }
    }

    fn of_reply(reply: &ServerError) -> Option<Self> {
        Some(match reply.code() {
            "OOM" => Self::OutOfMemory,
            "READONLY" => Self::ReadOnly,
            "NOREPLICAS" => Self::TooFewReplicas,
            "MISCONF" => Self::NotPersisting,
            "NOPERM" => Self::LacksRights,
            // What a script may not do has no code of its own.
            "ERR" if reply.details().is_some_and(|text| text.starts_with(SCRIPT_LACKS_RIGHTS)) => {
                Self::LacksRights
            }
            "NOAUTH" | "WRONGPASS" => Self::Unauthenticated,
            "LOADING" => Self::Loading,
            "CLUSTERDOWN" | "MASTERDOWN" => Self::NoMaster,
            _ => return None,
        })
    }

    /// Whether the server answers, although it cannot be used.
    pub(super) fn is_answering(self) -> bool {
        !matches!(
            self,
            Self::Unreachable
                | Self::NoTls
                | Self::SilentTls
                | Self::HangsUp
                | Self::UntrustedCertificate
        )
    }

    /// For operators, as the beginning of a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "Redis is not reachable",
            Self::NoTls => "Redis speaks no TLS on this port: redis:// is meant, or another port",
            Self::SilentTls => {
                "Redis is not reachable with TLS: does this port speak it? redis:// is without"
            }
            Self::HangsUp => "Redis ends every connection: does this port want TLS (rediss://)?",
            Self::UntrustedCertificate => "the certificate of Redis is not trusted by this machine",
            Self::Slow => "Redis is too slow",
            Self::OutOfMemory => "Redis refuses writes: out of memory",
            Self::ReadOnly => "Redis refuses writes: the server is a read-only replica",
            Self::TooFewReplicas => "Redis refuses writes: too few replicas",
            Self::NotPersisting => "Redis refuses writes: it cannot write to its disk",
            Self::LacksRights => "Redis refuses commands: its user lacks rights",
            Self::Unauthenticated => "Redis refuses user or password",
            Self::Loading => "Redis is loading its data",
            Self::NoMaster => "Redis has no master for some keys",
            Self::Moved => "the address of Redis leads to another server",
            Self::UnexpectedReply => "Redis gives unexpected replies",
        }
    }
}
