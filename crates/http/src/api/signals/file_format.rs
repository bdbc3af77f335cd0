//! The forms that a file of signals may have.

alpine_domain::text_enum!(
    /// The form of a file of signals.
    FileFormat, {
        /// RFC 4180, with a header line.
        Csv = "csv",
        /// One JSON array.
        Json = "json",
        /// One JSON object a line.
        Ndjson = "ndjson",
    }
);

impl FileFormat {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        }
    }

    /// What stands before the rows. Only where there are simulations, a column tells.
    pub(super) const fn head(self, marks_simulated: bool) -> &'static [u8] {
        match self {
            Self::Csv if marks_simulated => {
                b"id,symbol,action,entry_price,confidence,timestamp,simulated\r\n"
            }
            Self::Csv => b"id,symbol,action,entry_price,confidence,timestamp\r\n",
            Self::Json => b"[",
            Self::Ndjson => b"",
        }
    }

    pub(super) const fn tail(self) -> &'static [u8] {
        match self {
            Self::Json => b"]\n",
            Self::Csv | Self::Ndjson => b"",
        }
    }
}
