//! The few statements that the two back ends say differently. Nothing else asks which one it is.

use alpine_domain::{
    Clock as _, Result, Timestamp,
    event::Event,
    jobs::{Claim, JobId, NewJob},
    time::SystemClock,
};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryableByName, RunQueryDsl as _,
    dsl::insert_into,
    sql_types::{Array, BigInt, Text},
    upsert::excluded,
};

use crate::{
    AnyConnection, Failure,
    rows::{KeyedRequestRow, LateOutcomeRow, NewOutcomeRow, NewProducerRow, NewSignalRow, SumRow},
    schema::{
        audit_counts, database_identity, events, jobs, keyed_requests, late_outcomes, outcomes,
        payment_events, producers, record_sums, rollups, signals, user_activity,
    },
};

/// Rows for each statement: PostgreSQL takes at most 65,535 parameters, a signal has 22.
const CHUNK: usize = 500;

/// Serialises the writers of events. Any number will do that nothing else in the database uses.
const EVENT_LOCK: i64 = 0x616c_7069_6e65_0001;

/// Inserts the signals whose (producer, external id) is new; says which, in no particular order.
pub(crate) fn insert_new_signals(
    conn: &mut AnyConnection,
    rows: &[NewSignalRow<'_>],
) -> Result<Vec<(i64, i64, String)>, Failure> {
    let key = (signals::id, signals::producer_id, signals::external_id);
    let mut stored = Vec::with_capacity(rows.len());
    match conn {
        AnyConnection::Postgres(conn) => {
            for chunk in rows.chunks(CHUNK) {
                let insert = insert_into(signals::table).values(chunk).on_conflict_do_nothing();
                stored.extend(insert.returning(key).get_results::<(i64, i64, String)>(conn)?);
            }
        }
        AnyConnection::Sqlite(conn) => {
            for row in rows {
                let insert = insert_into(signals::table).values(row).on_conflict_do_nothing();
                stored.extend(insert.returning(key).load::<(i64, i64, String)>(conn)?);
            }
        }
    }
    Ok(stored)
}

/// Inserts the outcomes of signals that have none; says which signals.
pub(crate) fn insert_new_outcomes(
    conn: &mut AnyConnection,
    rows: &[NewOutcomeRow<'_>],
) -> Result<Vec<i64>, Failure> {
    let mut stored = Vec::with_capacity(rows.len());
    match conn {
        AnyConnection::Postgres(conn) => {
            for chunk in rows.chunks(CHUNK) {
                let insert = insert_into(outcomes::table).values(chunk).on_conflict_do_nothing();
                stored.extend(insert.returning(outcomes::signal_id).get_results::<i64>(conn)?);
            }
        }
        AnyConnection::Sqlite(conn) => {
            for row in rows {
                let insert = insert_into(outcomes::table).values(row).on_conflict_do_nothing();
                stored.extend(insert.returning(outcomes::signal_id).load::<i64>(conn)?);
            }
        }
    }
    Ok(stored)
}

/// Inserts the late outcome of a signal that has none; says whether it did.
pub(crate) fn insert_new_late_outcome(
    conn: &mut AnyConnection,
    row: &LateOutcomeRow,
) -> Result<bool, Failure> {
    let insert = insert_into(late_outcomes::table).values(row).on_conflict_do_nothing();
    let rows = match conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    Ok(rows == 1)
}

/// Inserts a producer unless its name or its key is taken; says whether it did. No column is named:
/// a concurrent insert may collide on either first, and a collision elsewhere would abort the
/// transaction.
pub(crate) fn insert_new_producer(
    conn: &mut AnyConnection,
    row: &NewProducerRow<'_>,
) -> Result<bool, Failure> {
    let insert = insert_into(producers::table).values(row).on_conflict_do_nothing();
    let rows = match conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    Ok(rows == 1)
}

/// Appends events to the log, as the last thing that their transaction does; says their numbers, in
/// the order of the events.
///
/// On PostgreSQL the number is taken under a lock that is held until the commit is visible: rows
/// appear in the order of their numbers, and a transaction that runs for long has no number yet, so
/// it hides nothing newer. On SQLite there is one writer at a time anyway.
pub(crate) fn append_events(
    conn: &mut AnyConnection,
    logged: &[(Timestamp, Event)],
) -> Result<Vec<i64>, Failure> {
    if logged.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::with_capacity(logged.len());
    let payloads =
        logged.iter().map(|(_, event)| event.to_payload()).collect::<Result<Vec<_>>>()?;
    match conn {
        AnyConnection::Postgres(conn) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
                .bind::<BigInt, _>(EVENT_LOCK)
                .execute(conn)?;
            let instants: Vec<i64> = logged.iter().map(|(at, _)| at.micros()).collect();
            let kinds: Vec<&str> = logged.iter().map(|(_, event)| event.kind()).collect();
            let rows: Vec<Numbered> = diesel::sql_query(
                "INSERT INTO events (recorded_at, kind, payload) \
                 SELECT recorded_at, kind, payload FROM unnest($1, $2, $3) \
                 WITH ORDINALITY AS logged (recorded_at, kind, payload, position) \
                 ORDER BY position RETURNING seq",
            )
            .bind::<Array<BigInt>, _>(instants)
            .bind::<Array<Text>, _>(kinds)
            .bind::<Array<Text>, _>(payloads)
            .load(conn)?;
            numbers.extend(rows.iter().map(|row| row.seq));
            // Rows are numbered by position; in which order they are returned is not promised.
            numbers.sort_unstable();
        }
        AnyConnection::Sqlite(conn) => {
            for ((at, event), payload) in logged.iter().zip(&payloads) {
                let insert = insert_into(events::table).values((
                    events::recorded_at.eq(at.micros()),
                    events::kind.eq(event.kind()),
                    events::payload.eq(payload),
                ));
                numbers.push(insert.returning(events::seq).get_result(conn)?);
            }
        }
    }
    Ok(numbers)
}

/// Inserts a job unless one with its key is pending; says its number if it did.
pub(crate) fn insert_new_job(
    conn: &mut AnyConnection,
    NewJob { job, unique_key, created_at, due_at }: &NewJob,
) -> Result<Option<JobId>, Failure> {
    let insert = insert_into(jobs::table)
        .values((
            jobs::kind.eq(job.kind()),
            jobs::payload.eq(job.to_payload()?),
            jobs::unique_key.eq(unique_key),
            jobs::created_at.eq(created_at.micros()),
            jobs::due_at.eq(due_at.micros()),
        ))
        .on_conflict_do_nothing();
    let ids: Vec<i64> = match conn {
        AnyConnection::Postgres(conn) => insert.returning(jobs::id).get_results(conn)?,
        AnyConnection::Sqlite(conn) => insert.returning(jobs::id).load(conn)?,
    };
    Ok(ids.first().copied().map(JobId::new))
}

/// Keeps that an event of the payment provider was taken; false if it was before.
pub(crate) fn insert_new_payment_event(
    conn: &mut AnyConnection,
    id: &str,
    kind: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let insert = insert_into(payment_events::table)
        .values((
            payment_events::id.eq(id),
            payment_events::kind.eq(kind),
            payment_events::received_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing();
    let rows = match conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    Ok(rows == 1)
}

/// Adds a request that named a key; says whether the name was free.
pub(crate) fn insert_new_keyed_request(
    conn: &mut AnyConnection,
    row: &KeyedRequestRow<'_>,
) -> Result<bool, Failure> {
    let insert = insert_into(keyed_requests::table).values(row).on_conflict_do_nothing();
    let added = match conn {
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(added == 1)
}

/// Adds to the count of an hour, an action and an outcome.
pub(crate) fn add_audit_count(
    conn: &mut AnyConnection,
    (hour, action, outcome): (i64, &str, &str),
    count: i64,
) -> Result<(), Failure> {
    let insert = insert_into(audit_counts::table)
        .values((
            audit_counts::hour.eq(hour),
            audit_counts::action.eq(action),
            audit_counts::outcome.eq(outcome),
            audit_counts::count.eq(count),
        ))
        .on_conflict((audit_counts::hour, audit_counts::action, audit_counts::outcome))
        .do_update()
        .set(audit_counts::count.eq(audit_counts::count + count));
    match conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    Ok(())
}

/// Adds to the sum of a day, a name and a part.
pub(crate) fn add_rollup(
    conn: &mut AnyConnection,
    (day, name, key): (i64, &str, &str),
    value: i64,
) -> Result<(), Failure> {
    let insert = insert_into(rollups::table)
        .values((
            rollups::day.eq(day),
            rollups::name.eq(name),
            rollups::key.eq(key),
            rollups::value.eq(value),
        ))
        .on_conflict((rollups::day, rollups::name, rollups::key))
        .do_update()
        .set(rollups::value.eq(rollups::value + value));
    match conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    Ok(())
}

/// Stores sums of the record, in the place of what was stored.
pub(crate) fn put_record_sums(conn: &mut AnyConnection, rows: &[SumRow]) -> Result<(), Failure> {
    let key = (
        record_sums::level,
        record_sums::record,
        record_sums::late,
        record_sums::strategy,
        record_sums::producer,
        record_sums::symbol,
        record_sums::bucket,
    );
    let values = |row: &SumRow| {
        let (level, record, late, strategy, producer, symbol, bucket, segment) = row.clone();
        (
            record_sums::level.eq(level),
            record_sums::record.eq(record),
            record_sums::late.eq(late),
            record_sums::strategy.eq(strategy),
            record_sums::producer.eq(producer),
            record_sums::symbol.eq(symbol),
            record_sums::bucket.eq(bucket),
            record_sums::segment.eq(segment),
        )
    };
    let segment = record_sums::segment.eq(excluded(record_sums::segment));
    match conn {
        AnyConnection::Postgres(conn) => {
            for chunk in rows.chunks(CHUNK) {
                let chunk: Vec<_> = chunk.iter().map(values).collect();
                let insert = insert_into(record_sums::table).values(chunk);
                insert.on_conflict(key).do_update().set(segment).execute(conn)?;
            }
        }
        AnyConnection::Sqlite(conn) => {
            for row in rows {
                let insert = insert_into(record_sums::table).values(values(row));
                insert.on_conflict(key).do_update().set(segment).execute(conn)?;
            }
        }
    }
    Ok(())
}

/// Waits until nobody is about to commit what was added to a sum, and lets nobody else add until the transaction ends. On
/// SQLite a transaction that writes is alone.
pub(crate) fn hold_rollups(conn: &mut AnyConnection) -> Result<(), Failure> {
    if let AnyConnection::Postgres(conn) = conn {
        diesel::sql_query("LOCK TABLE rollups IN EXCLUSIVE MODE").execute(conn)?;
    }
    Ok(())
}

/// On which day these users were active last, those of whom it is known. On PostgreSQL their rows are locked in order of
/// ids; on SQLite a transaction that writes is alone.
pub(crate) fn hold_activity(
    conn: &mut AnyConnection,
    users: &[String],
) -> Result<Vec<(String, i64)>, Failure> {
    let rows = user_activity::table
        .filter(user_activity::user_id.eq_any(users))
        .order(user_activity::user_id.asc());
    Ok(match conn {
        AnyConnection::Postgres(conn) => rows.for_update().load(conn)?,
        AnyConnection::Sqlite(conn) => rows.load(conn)?,
    })
}

/// Notes for the first time that users were active; says for how many nobody else did so meanwhile.
pub(crate) fn insert_new_activity(
    conn: &mut AnyConnection,
    users: &[&str],
    day: i64,
) -> Result<i64, Failure> {
    let row = |user: &&str| {
        (user_activity::user_id.eq((*user).to_owned()), user_activity::last_day.eq(day))
    };
    let mut added = 0;
    match conn {
        AnyConnection::Postgres(conn) => {
            for chunk in users.chunks(CHUNK) {
                let rows: Vec<_> = chunk.iter().map(row).collect();
                let insert = insert_into(user_activity::table).values(rows);
                added += insert.on_conflict_do_nothing().execute(conn)?;
            }
        }
        AnyConnection::Sqlite(conn) => {
            for user in users {
                let insert = insert_into(user_activity::table).values(row(user));
                added += insert.on_conflict_do_nothing().execute(conn)?;
            }
        }
    }
    i64::try_from(added).map_err(|error| alpine_domain::Error::internal(error).into())
}

/// Jobs that are due, those that have been for longest first. On PostgreSQL they are locked, and those that
/// another transaction has locked are passed over; on SQLite a transaction that writes is alone.
pub(crate) fn lock_due_jobs(
    conn: &mut AnyConnection,
    Claim { lane, now, limit, .. }: Claim,
) -> Result<Vec<(i64, String, i64)>, Failure> {
    let due = jobs::table
        .filter(jobs::failed_at.is_null())
        .filter(jobs::due_at.le(now.micros()))
        .filter(jobs::kind.eq_any(lane.kinds()))
        .order((jobs::due_at.asc(), jobs::id.asc()))
        .limit(limit.into())
        .select((jobs::id, jobs::payload, jobs::attempts));
    Ok(match conn {
        AnyConnection::Postgres(conn) => due.for_update().skip_locked().load(conn)?,
        AnyConnection::Sqlite(conn) => due.load(conn)?,
    })
}

/// From now on this transaction finds rows by indexes, also where PostgreSQL takes a table for smaller than
/// it is: what deletes a part of the rows again and again would read all of them each time.
pub(crate) fn avoid_table_scans(conn: &mut AnyConnection) -> Result<(), Failure> {
    if let AnyConnection::Postgres(conn) = conn {
        diesel::sql_query("SET LOCAL enable_seqscan = off").execute(conn)?;
    }
    Ok(())
}

/// How often everybody was signed out. That stays so until the transaction ends; others may hold it at the
/// same time. On SQLite a transaction that writes is alone.
pub(crate) fn held_everybody(conn: &mut AnyConnection) -> Result<i64, Failure> {
    let generation = database_identity::table.select(database_identity::generation);
    Ok(match conn {
        AnyConnection::Postgres(conn) => generation.for_share().get_result(conn)?,
        AnyConnection::Sqlite(conn) => generation.get_result(conn)?,
    })
}

/// What the server's clock shows; SQLite shows the machine's.
pub(crate) fn server_time(conn: &mut AnyConnection) -> Result<Timestamp, Failure> {
    let time: ServerTime = match conn {
        AnyConnection::Postgres(conn) => diesel::sql_query(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros",
        )
        .get_result(conn)?,
        AnyConnection::Sqlite(_) => return Ok(SystemClock.now()),
    };
    Ok(Timestamp::from_micros(time.micros))
}

#[derive(QueryableByName)]
struct ServerTime {
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}
