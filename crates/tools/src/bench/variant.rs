//! What is compared.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(super) enum Variant {
    /// (a) a handler of actix-web that does nothing but send the body
    Bare,
    /// (b) the whole application, answering from its cache
    Cached,
    /// (c) the same, waiting for Redis once in each request
    Redis,
    /// (d) the same as (b) without the cache: each request asks the database
    Uncached,
}

impl Variant {
    pub(super) const ALL: [Self; 4] = [Self::Bare, Self::Cached, Self::Redis, Self::Uncached];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Bare => "(a) bare actix-web handler, same bytes",
            Self::Cached => "(b) signals/latest, cached",
            Self::Redis => "(c) as (b) and one Redis round trip",
            Self::Uncached => "(d) as (b) without the cache",
        }
    }

    /// The name under which a child is told of it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Cached => "cached",
            Self::Redis => "redis",
            Self::Uncached => "uncached",
        }
    }

    /// Where it answers.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Bare | Self::Cached => "/api/v1/signals/latest",
            Self::Redis => "/api/v1/bench/redis",
            Self::Uncached => "/api/v1/bench/uncached",
        }
    }
}
