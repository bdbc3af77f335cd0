//! `alpine verify`: the hashes of an export, computed again from the file alone.

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use alpine_domain::{signal::ExportedRow, statistics::ExportedRecord};
use anyhow::{Context as _, Result, bail};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::output::tell;

/// Rows that differ and are named; further ones are counted.
const NAMED: u64 = 100;

/// Columns of CSV whose text may have an apostrophe in front.
const TEXTS: [&str; 8] = [
    "symbol",
    "timestamp",
    "signal_id",
    "strategy",
    "asset_type",
    "reasoning",
    "exit_timestamp",
    "late_exit_timestamp",
];

/// A column without which nothing can be compared: a file of an older release lacks it.
const NEEDED: &str = "record_hash";

/// Reads the file, says what differs, and fails if anything does. `figures`: an answer to compare with it.
pub(super) fn run(path: &Path, figures: Option<&Path>) -> Result<()> {
    let name = || path.display().to_string();
    let mut file = BufReader::new(File::open(path).with_context(name)?);
    let first = file.fill_buf().with_context(name)?.first().copied();
    let record = figures.map(|_| ExportedRecord::default());
    let mut check = Check { record, ..Check::default() };
    match first {
        Some(b'[') => json(file, &mut check),
        Some(b'{') => ndjson(file, &mut check),
        Some(_) => csv(file, &mut check),
        None => Ok(()),
    }
    .with_context(|| format!("{}: row {} cannot be read", path.display(), check.rows + 1))?;
    check.finish()?;
    match (figures, check.record) {
        (Some(figures), Some(record)) => super::figures::compare(figures, &record),
        _ => Ok(()),
    }
}

/// How far it has come.
#[derive(Default)]
struct Check {
    rows: u64,
    differing: u64,
    /// What happened to the signals, where figures are compared: some 400 bytes for each.
    record: Option<ExportedRecord>,
}

impl Check {
    fn row(&mut self, row: &ExportedRow) -> Result<()> {
        if row.get("error").is_some() {
            bail!("the export broke off here");
        }
        if row.get(NEEDED).is_none() {
            bail!("{NEEDED} is missing: this is no complete row of an export");
        }
        self.rows += 1;
        if let Some(record) = &mut self.record {
            let read = record.add(row);
            read.map_err(|column| anyhow::anyhow!("{column} is missing or cannot be read"))?;
        }
        let found = row.differences();
        if found.is_empty() {
            return Ok(());
        }
        self.differing += 1;
        if self.differing <= NAMED {
            let shown = |column| row.get(column).unwrap_or("?").escape_debug().to_string();
            let place = format!("row {} ({}, {})", self.rows, shown("id"), shown("signal_id"));
            for difference in found {
                let reason = difference.reason.escape_debug();
                tell(&format!("{place}: {} {reason}\n", difference.column))?;
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        tell(&format!("{} rows, {} of them differ\n", self.rows, self.differing))?;
        if self.differing > 0 {
            bail!("the file is not what was exported");
        }
        Ok(())
    }
}

fn csv(file: impl Read, check: &mut Check) -> Result<()> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().context("the first line, which names the columns")?.clone();
    let mut names = BTreeSet::new();
    if let Some(twice) = header.iter().find(|name| !names.insert(*name)) {
        bail!("the column {twice:?} stands there twice");
    }
    for record in reader.records() {
        let record = record?;
        let cells = header.iter().zip(&record).map(|(column, cell)| {
            let is_text = TEXTS.contains(&column);
            let cell = if is_text { cell.strip_prefix('\'').unwrap_or(cell) } else { cell };
            (column.to_owned(), cell.to_owned())
        });
        check.row(&cells.collect())?;
    }
    Ok(())
}

fn ndjson(file: impl Read, check: &mut Check) -> Result<()> {
    for row in serde_json::Deserializer::from_reader(file).into_iter::<Object>() {
        check.row(&row?.into_row()?)?;
    }
    Ok(())
}

fn json(file: impl Read, check: &mut Check) -> Result<()> {
    let mut reader = serde_json::Deserializer::from_reader(file);
    let mut failed = None;
    let rows = Rows { check, failed: &mut failed };
    let read = rows.deserialize(&mut reader).and_then(|()| reader.end());
    match failed {
        Some(error) => Err(error),
        None => Ok(read?),
    }
}

/// An object, each member as it is written. No name stands there twice: readers differ about which one counts.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let (mut read, mut names) = (Vec::new(), BTreeSet::new());
        while let Some((name, value)) = members.next_entry::<String, Box<RawValue>>()? {
            if !names.insert(name.clone()) {
                let twice = format!("the member {name:?} stands there twice");
                return Err(serde::de::Error::custom(twice));
            }
            read.push((name, value));
        }
        Ok(Object(read))
    }
}

/// What a file in JSON says of a late outcome beside the object of it.
const LATE_BESIDE: [&str; 2] = ["late_exit_timestamp", "late_outcome_hash"];

impl Object {
    /// Texts as what they say, everything else to the letter; the members of the late outcome like those of CSV.
    fn into_row(self) -> Result<ExportedRow> {
        let mut columns = Vec::with_capacity(self.0.len() + 5);
        for (name, value) in self.0 {
            if name != "late_outcome" {
                if name.starts_with("late_") && !LATE_BESIDE.contains(&name.as_str()) {
                    bail!("{name:?} is no member of an export");
                }
                columns.extend(letters(&value)?.map(|letters| (name, letters)));
                continue;
            }
            let late: Option<Object> = serde_json::from_str(value.get())?;
            for (name, value) in late.into_iter().flat_map(|late| late.0) {
                let name = if name == "exit_time" { "closed_at" } else { &name };
                columns.extend(letters(&value)?.map(|letters| (format!("late_{name}"), letters)));
            }
        }
        Ok(columns.into_iter().collect())
    }
}

fn letters(value: &RawValue) -> Result<Option<String>> {
    let text = value.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str(text)?),
        Some(b'n') => None,
        _ => Some(text.to_owned()),
    })
}

/// Checks the elements of an array one after the other, so that no file is held as a whole.
struct Rows<'a> {
    check: &'a mut Check,
    failed: &'a mut Option<anyhow::Error>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of signals")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Object>()? {
            let checked = row.into_row().and_then(|row| self.check.row(&row));
            if let Err(error) = checked {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("a row"));
            }
        }
        Ok(())
    }
}
