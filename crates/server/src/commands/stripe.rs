//! `alpine stripe sync`: accounts follow what the provider says, at once.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use alpine_domain::{account::Tier, billing::Difference};
use anyhow::{Result, bail};

use super::manage::with_core;
use crate::{
    application::{Core, explain},
    config::{Config, PaymentsBy},
};

/// How often it is told how far it has come.
const PROGRESS: Duration = Duration::from_secs(2);

/// Has every account that differs follow, or only says which do.
pub(super) fn sync(config: &Config, dry_run: bool) -> Result<()> {
    if config.payments() == PaymentsBy::Nobody {
        bail!("nobody takes payments: set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET");
    }
    with_core(config, async |core: Core| {
        let payments = &core.use_cases.payments;
        let progress = Mutex::new((0_usize, Instant::now()));
        let told = |subscriptions: usize| {
            let Ok(mut progress) = progress.lock() else { return };
            progress.0 += subscriptions;
            if progress.1.elapsed() >= PROGRESS {
                progress.1 = Instant::now();
                eprintln!("{} subscriptions compared", progress.0);
            }
        };
        let differences = payments.differences(&told).await.map_err(explain)?;
        let mut failed = 0;
        for difference in &differences {
            println!("{}", line(difference));
            if !dry_run && let Err(error) = payments.refresh(&difference.customer).await {
                failed += 1;
                println!("  could not be read: {:#}", explain(error));
            }
        }
        let count = differences.len();
        match (count, dry_run) {
            (0, _) => println!("every account says what the provider says"),
            (_, true) => bail!("{count} customers differ; without --dry-run they are read anew"),
            (_, false) if failed > 0 => bail!("{failed} of {count} customers could not be read"),
            (_, false) => println!("read {count} customers anew"),
        }
        Ok(())
    })
}

fn line(difference: &Difference) -> String {
    let Difference { customer, user, kept, listed } = difference;
    let tier = |tier: &Option<Tier>| tier.map_or("nothing", Tier::as_str);
    let user = user.map_or_else(|| "nobody here".to_owned(), |user| format!("user {user}"));
    format!("{customer}, {user}: {} is kept, the provider says {}", tier(kept), tier(listed))
}
