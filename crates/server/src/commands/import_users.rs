//! `alpine import users`: accounts from a CSV file, with the hashes of their passwords.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    account::{Email, FullName, ImportedAccount, Tier, UserId},
};
use alpine_infra::secrets::check_foreign_hash;
use anyhow::{Context as _, Result, bail};
use csv::StringRecord;

use super::manage::with_core;
use crate::{
    application::{Core, explain},
    config::Config,
};

/// Accounts that one transaction keeps.
const BATCH: usize = 500;
/// Refused lines that are named; further ones are counted.
const NAMED: usize = 100;
/// How often it is told how far it has come.
const PROGRESS: Duration = Duration::from_secs(2);

/// Columns that are read. The first two must be there.
const COLUMNS: [&str; 8] = [
    "email",
    "hashed_password",
    "full_name",
    "tier",
    "is_active",
    "is_verified",
    "created_at",
    "stripe_customer_id",
];

/// Reads the file and keeps its accounts, or only says what is wrong with it.
pub(super) fn run(config: &Config, file: &Path, dry_run: bool) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(File::open(file).with_context(|| file.display().to_string())?);
    let header = reader.headers().context("the first line, which names the columns")?.clone();
    let columns = Columns::of(&header)?;
    with_core(config, async |core: Core| {
        let mut import = Import::new(&core, dry_run);
        for record in reader.records() {
            import.line(record, &columns).await?;
        }
        import.finish().await
    })
}

/// Where each column stands.
struct Columns(BTreeMap<&'static str, usize>);

impl Columns {
    fn of(header: &StringRecord) -> Result<Self> {
        let place = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let found = COLUMNS.into_iter().filter_map(|name| Some((name, place(name)?))).collect();
        let missing: Vec<_> = COLUMNS[..2].iter().filter(|name| place(name).is_none()).collect();
        if !missing.is_empty() {
            bail!("the first line must name the columns {missing:?}; it names {header:?}");
        }
        let is_read = |column: &str| COLUMNS.iter().any(|name| name.eq_ignore_ascii_case(column));
        let others: Vec<_> = header.iter().filter(|column| !is_read(column)).collect();
        if !others.is_empty() {
            eprintln!("these columns are not read: {}", others.join(", ").escape_debug());
        }
        Ok(Self(found))
    }

    fn get<'a>(&self, record: &'a StringRecord, name: &str) -> &'a str {
        self.0.get(name).and_then(|place| record.get(*place)).unwrap_or_default()
    }
}

/// How far it has come.
struct Import<'a> {
    core: &'a Core,
    dry_run: bool,
    batch: Vec<ImportedAccount>,
    kept: usize,
    there: usize,
    refused: usize,
    told: Instant,
}

impl<'a> Import<'a> {
    fn new(core: &'a Core, dry_run: bool) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self { core, dry_run, batch, kept: 0, there: 0, refused: 0, told: Instant::now() }
    }

    async fn line(&mut self, record: csv::Result<StringRecord>, columns: &Columns) -> Result<()> {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                self.refuse(line, &error.to_string());
                // What cannot be read any further fails; a line with other columns does not.
                return if error.is_io_error() { Err(error.into()) } else { Ok(()) };
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let (ports, mut random) = (&self.core.ports, [0; 10]);
        ports.randomness.fill(&mut random);
        match account(&record, columns, (ports.clock.now(), random)) {
            Ok(account) => self.batch.push(account),
            Err(reason) => self.refuse(line, &reason),
        }
        if self.batch.len() == BATCH {
            self.keep().await?;
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: &str) {
        self.refused += 1;
        if self.refused <= NAMED {
            eprintln!("line {line}: {}", reason.escape_debug());
        } else if self.refused == NAMED + 1 {
            eprintln!("further lines that are refused are counted only");
        }
    }

    async fn keep(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let all = batch.len();
        let kept = if self.dry_run {
            all
        } else {
            let now = self.core.ports.clock.now();
            let kept = self.core.stores.imports.import(batch, now).await.map_err(explain)?;
            kept.iter().filter(|is_new| **is_new).count()
        };
        (self.kept, self.there) = (self.kept + kept, self.there + all - kept);
        if self.told.elapsed() > PROGRESS {
            self.told = Instant::now();
            eprintln!("{} accounts so far", self.kept + self.there);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.keep().await?;
        let Self { dry_run, kept, there, refused, .. } = self;
        let mut out = io::stdout().lock();
        if dry_run {
            writeln!(
                out,
                "{kept} accounts could be imported, {refused} lines are refused; nothing was written"
            )?;
        } else {
            writeln!(
                out,
                "{kept} accounts imported, {there} were there already, {refused} lines refused"
            )?;
        }
        if refused > 0 {
            bail!(
                "{refused} lines were refused; correct them and import the file again: what is there stays"
            );
        }
        Ok(())
    }
}

fn account(
    record: &StringRecord,
    columns: &Columns,
    (now, random): (Timestamp, [u8; 10]),
) -> Result<ImportedAccount, String> {
    let text = |name| columns.get(record, name);
    let email: Email = text("email").parse().map_err(|reason| format!("email: {reason}"))?;
    let hash = text("hashed_password");
    check_foreign_hash(hash).map_err(|reason| format!("hashed_password: {reason}"))?;
    let created_at = match text("created_at") {
        "" => now,
        text => instant(text, now).map_err(|it| format!("created_at: {it}"))?,
    };
    let customer = text("stripe_customer_id");
    if customer.len() > 255 {
        return Err("stripe_customer_id: must have at most 255 characters".to_owned());
    }
    Ok(ImportedAccount {
        id: UserId::generate(created_at, random),
        full_name: name(text("full_name"), &email)?,
        password_hash: hash.to_owned(),
        tier: match text("tier").to_ascii_lowercase().as_str() {
            "" => Tier::Free,
            tier => tier.parse().map_err(|reason| format!("tier: {reason}"))?,
        },
        is_active: flag(text("is_active"), true).map_err(|it| format!("is_active: {it}"))?,
        is_verified: flag(text("is_verified"), false).map_err(|it| format!("is_verified: {it}"))?,
        stripe_customer_id: (!customer.is_empty()).then(|| customer.to_owned()),
        created_at,
        email,
    })
}

/// The name, or what stands before the `@` for who gave none.
fn name(text: &str, email: &Email) -> Result<FullName, String> {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let text = if text.is_empty() { local } else { text };
    text.parse().map_err(|reason| format!("full_name: {reason}"))
}

/// As Python, SQLite and PostgreSQL write it.
fn flag(text: &str, otherwise: bool) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(otherwise),
        "true" | "t" | "1" | "yes" => Ok(true),
        "false" | "f" | "0" | "no" => Ok(false),
        _ => Err("must be true or false"),
    }
}

/// RFC 3339, or the same without an offset, which is UTC then.
fn instant(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    let parsed = Timestamp::parse_rfc3339(text)
        .or_else(|_| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .map_err(|_| "must be an instant like 2025-01-15T10:30:00Z or 2025-01-15 10:30:00")?;
    if parsed > now { Err("must not lie in the future") } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=65536,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$\
                        iT4g8RxZ8mNXIyT4sFZGm6Xv8wEq3wqK8y9bC3W8mXY";

    fn read(columns: &[&str], cells: &[&str]) -> ImportedAccount {
        let header = ["email", "hashed_password"].iter().chain(columns);
        let header: StringRecord = header.copied().collect();
        let record: StringRecord = ["ada@example.com", HASH].iter().chain(cells).copied().collect();
        let now = Timestamp::from_seconds(1_767_225_600);
        account(&record, &Columns::of(&header).unwrap(), (now, [7; 10])).unwrap()
    }

    /// Nobody is taken for more than the file says: least of all an address for its owner's.
    #[test]
    fn what_a_file_leaves_out_is_the_least() {
        const OTHERS: [&str; 6] =
            ["full_name", "tier", "is_active", "is_verified", "created_at", "stripe_customer_id"];
        let now = Timestamp::from_seconds(1_767_225_600);
        for account in [read(&[], &[]), read(&OTHERS, &[""; 6]), read(&OTHERS, &[])] {
            assert_eq!(account.full_name.as_str(), "ada");
            assert_eq!((account.tier, account.created_at), (Tier::Free, now));
            assert_eq!((account.is_active, account.is_verified), (true, false));
            assert_eq!(account.stripe_customer_id, None);
        }
        let given = ["Ada", "ELITE", "f", "yes", "2024-05-01 10:30:00", "cus_1"];
        let account = read(&OTHERS, &given);
        assert_eq!(account.full_name.as_str(), "Ada");
        let created_at = Timestamp::parse_rfc3339("2024-05-01T10:30:00Z").unwrap();
        assert_eq!((account.tier, account.created_at), (Tier::Elite, created_at));
        assert_eq!((account.is_active, account.is_verified), (false, true));
        assert_eq!(account.stripe_customer_id.as_deref(), Some("cus_1"));
        // Each word stands for itself, in any case.
        for (word, expected) in
            [("True", true), ("1", true), ("T", true), ("No", false), ("0", false)]
        {
            let account = read(&["is_active", "is_verified"], &[word, word]);
            assert_eq!((account.is_active, account.is_verified), (expected, expected), "{word}");
        }
    }
}
