//! `alpine rollups`: counts anew what sums stand for.

use std::time::{Duration, Instant};

use alpine_domain::{
    analytics::{Rollup, RollupDifference},
    statistics::{Level, SumDifference},
};
use anyhow::Result;

use super::manage::with_core;
use crate::{
    application::{Core, explain},
    cli::Rollups,
    config::Config,
};

/// How often it is said how far the count came.
const OFTEN: Duration = Duration::from_secs(2);

pub(super) fn run(config: &Config, action: Rollups) -> Result<()> {
    with_core(config, async |core: Core| {
        let repair = matches!(action, Rollups::Rebuild);
        let figures = figures(&core, repair).await?;
        let record = record(&core, repair).await?;
        match (figures + record, repair) {
            (0, _) => println!("every sum is right"),
            (count, true) => println!("corrected {count} sums"),
            (count, false) => {
                anyhow::bail!("{count} sums are wrong; `alpine rollups rebuild` corrects them")
            }
        }
        Ok(())
    })
}

/// The figures for administrators.
async fn figures(core: &Core, repair: bool) -> Result<usize> {
    let differences = core.use_cases.analytics.recount(repair).await.map_err(explain)?;
    for RollupDifference { counted, stored } in &differences {
        let Rollup { day, name, key, value } = counted;
        let part = if key.is_empty() { String::new() } else { format!(" {key}") };
        println!("{name}{part} of day {}: {stored} was kept, {value} is right", day.number());
    }
    Ok(differences.len())
}

/// The record. What no sum holds yet is added first where sums are corrected.
async fn record(core: &Core, repair: bool) -> Result<usize> {
    let sums = &core.use_cases.sums;
    if repair {
        let (mut entries, mut told) = (0, Instant::now());
        loop {
            let step = sums.step(core.ports.clock.now()).await.map_err(explain)?;
            entries += step.entries;
            if step.is_done {
                break;
            }
            if told.elapsed() > OFTEN {
                eprintln!("added {entries} events of signals to the record, up to {}", step.until);
                told = Instant::now();
            }
        }
    }
    let mut told = Instant::now();
    let progress = |day, last| {
        if told.elapsed() > OFTEN {
            eprintln!("counted the record up to {day} of {last}");
            told = Instant::now();
        }
    };
    let (count, differences) = sums.recount(repair, progress).await.map_err(explain)?;
    for difference in &differences {
        println!("{}", line(difference));
    }
    Ok(count)
}

fn line(difference: &SumDifference) -> String {
    let SumDifference { level, bucket, series, stored, counted } = difference;
    let stretch = match level {
        Level::Total => String::new(),
        Level::Day | Level::FiveDays | Level::Month => {
            format!(" {}", alpine_domain::analytics::Day::new(*bucket))
        }
    };
    let choice = &series.choice;
    let parts = [
        choice.strategy.as_ref().map(|name| format!(", strategy {}", name.as_str().escape_debug())),
        choice.producer.as_ref().map(|name| format!(", producer {name}")),
        choice.symbol.as_ref().map(|symbol| format!(", symbol {symbol}")),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    format!(
        "record {} ({} late outcomes) of {level}{stretch}{parts}: {} published, {} closed, sum {} were kept, \
         {} published, {} closed, sum {} are right",
        series.record,
        series.late,
        stored.published,
        stored.closed(),
        stored.path.sum,
        counted.published,
        counted.closed(),
        counted.path.sum,
    )
}
