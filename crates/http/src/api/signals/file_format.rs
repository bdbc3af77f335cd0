//! The forms that a file of signals may have.

use super::exported::COLUMNS;

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

    /// What stands before the rows.
    pub(super) fn head(self) -> String {
        match self {
            Self::Csv => COLUMNS.join(",") + "\r\n",
            Self::Json => "[".to_owned(),
            Self::Ndjson => String::new(),
        }
    }

    pub(super) const fn tail(self) -> &'static [u8] {
        match self {
            Self::Json => b"]\n",
            Self::Csv | Self::Ndjson => b"",
        }
    }

    /// What stands behind `rows` rows where the file breaks off, given the problem as a JSON document. No
    /// reader takes the file for a complete one: JSON lacks its bracket, and CSV has no comments, so
    /// that it ends in a quoted cell that is not closed, which RFC 4180 has no place for. Readers that
    /// take it all the same find a row that is no signal.
    pub(super) fn broken_tail(self, rows: u64, problem: &[u8]) -> Vec<u8> {
        let error = [b"{\"error\":", problem, b"}\n"].concat();
        match self {
            Self::Csv => {
                let quoted = String::from_utf8_lossy(problem).replace('"', "\"\"");
                format!("\"the export broke off here: {quoted}\r\n").into_bytes()
            }
            Self::Json if rows > 0 => [b",".as_slice(), &error].concat(),
            Self::Json | Self::Ndjson => error,
        }
    }
}
