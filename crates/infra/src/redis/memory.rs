//! What a server says of its memory: how much it uses, where it ends, and what it does there.

/// The part of its limit, in hundredths, that a server which refused writes must be below to be used again.
/// At the limit single writes succeed between others that are refused, whenever something expires.
const USABLE: u64 = 95;

/// The memory of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    /// Bytes in use.
    pub(super) used: u64,
    /// `maxmemory`, bytes; 0 is no limit.
    limit: u64,
    /// `maxmemory-policy`.
    policy: String,
}

/// What an operator should change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// The machine's memory is the limit.
    NoLimit,
    /// Cached bodies may fill all of it.
    LimitTooLow,
    /// Keys may go that are in use, or that never expire.
    EvictsOthers,
}

impl Memory {
    /// From the answer to `INFO memory`; `None` if it lacks what is needed.
    pub(super) fn parse(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find_map(|(key, value)| (key == name).then(|| value.trim()))
        };
        Some(Self {
            used: field("used_memory")?.parse().ok()?,
            limit: field("maxmemory")?.parse().ok()?,
            policy: field("maxmemory_policy")?.to_owned(),
        })
    }

    /// Whether the next write may be refused. A server that evicts tells so by refusing one.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.limit > 0 && self.policy == "noeviction" && self.used / USABLE > self.limit / 100
    }

    /// What is wrong with its limits, where cached bodies may take `bodies` bytes.
    pub(super) fn advice(&self, bodies: u64) -> Option<Advice> {
        match self.policy.as_str() {
            _ if self.limit == 0 => Some(Advice::NoLimit),
            // Both let bodies go before the counters of callers who are there.
            "noeviction" | "volatile-lru" | "volatile-lfu" if self.limit > bodies => None,
            "noeviction" | "volatile-lru" | "volatile-lfu" => Some(Advice::LimitTooLow),
            _ => Some(Advice::EvictsOthers),
        }
    }
}

impl Advice {
    /// For operators.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoLimit => {
                "Redis has no memory limit: set maxmemory, well above cache.redis_bytes"
            }
            Self::LimitTooLow => {
                "cached bodies may fill Redis: maxmemory is not above cache.redis_bytes"
            }
            Self::EvictsOthers => {
                "Redis may evict rate limits in use: set maxmemory-policy to noeviction or volatile-lru"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(used: u64, limit: u64, policy: &str) -> Memory {
        let info = format!(
            "# Memory\r\nused_memory:{used}\r\nused_memory_human:1M\r\nmaxmemory:{limit}\r\n\
             maxmemory_human:0B\r\nmaxmemory_policy:{policy}\r\n"
        );
        Memory::parse(&info).unwrap()
    }

    #[test]
    fn reads_what_redis_says() {
        let expected = Memory { used: 1_234, limit: 5_678, policy: "volatile-ttl".to_owned() };
        assert_eq!(memory(1_234, 5_678, "volatile-ttl"), expected);
        assert_eq!(Memory::parse("# Memory\r\nused_memory:1\r\n"), None);
        assert_eq!(Memory::parse(""), None);
    }

    #[test]
    fn only_what_evicts_nothing_is_nearly_full() {
        let full = |used, limit, policy| memory(used, limit, policy).is_nearly_full();
        assert!(full(96_000_000, 100_000_000, "noeviction"));
        assert!(!full(94_000_000, 100_000_000, "noeviction"));
        assert!(!full(100_000_000, 100_000_000, "volatile-lru"));
        assert!(!full(100_000_000, 0, "noeviction"));
    }

    #[test]
    fn advice_for_every_policy_of_redis() {
        for (limit, policy, expected) in [
            (0, "noeviction", Some(Advice::NoLimit)),
            (0, "allkeys-lru", Some(Advice::NoLimit)),
            (101, "noeviction", None),
            (101, "volatile-lru", None),
            (101, "volatile-lfu", None),
            (100, "noeviction", Some(Advice::LimitTooLow)),
            (100, "volatile-lru", Some(Advice::LimitTooLow)),
            (101, "volatile-ttl", Some(Advice::EvictsOthers)),
            (101, "volatile-random", Some(Advice::EvictsOthers)),
            (101, "allkeys-lru", Some(Advice::EvictsOthers)),
            (101, "allkeys-lfu", Some(Advice::EvictsOthers)),
            (101, "allkeys-random", Some(Advice::EvictsOthers)),
        ] {
            assert_eq!(memory(1, limit, policy).advice(100), expected, "{limit} {policy}");
        }
    }
}
