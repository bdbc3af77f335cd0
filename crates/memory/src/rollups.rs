//! Sums beside what they count.

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    account::{UserId, placeholder},
    analytics::{Counted, Day, Rollup, RollupDifference, RollupKey, RollupName, RollupStore},
    audit::{Action, Entry},
    billing::{Paying, revenue},
};
use async_trait::async_trait;

use crate::{Memory, Unit, tables::Tables};

pub(crate) fn note_active(unit: &mut Unit, user: UserId, day: Day) {
    let known = unit.tables.activity.get(&user).copied();
    if known.is_some_and(|last_day| last_day >= day) {
        return;
    }
    if let Some(last_day) = known {
        unit.tables.count(RollupKey::of(RollupName::Active, last_day), -1);
    }
    unit.tables.count(RollupKey::of(RollupName::Active, day), 1);
    unit.tables.activity.insert(user, day);
}

pub(crate) fn forget_active(unit: &mut Unit, user: UserId) {
    if let Some(last_day) = unit.tables.activity.remove(&user) {
        unit.tables.count(RollupKey::of(RollupName::Active, last_day), -1);
    }
}

/// What a count of everything gives.
fn counted(tables: &Tables) -> BTreeMap<RollupKey, i64> {
    let mut counts = BTreeMap::new();
    let mut count = |key: RollupKey| *counts.entry(key).or_insert(0) += 1;
    for user in &tables.users {
        let account = &user.account;
        if account.email.as_str() != placeholder(account.id) {
            count(RollupKey::users(account.tier));
        }
        count(RollupKey::of(RollupName::SignUps, Day::of(account.created_at)));
    }
    for signal in &tables.signals {
        let content = &signal.content;
        count(RollupKey::signals(Day::of(content.created_at), content.is_simulated));
    }
    let mut add = |(key, value): Counted| *counts.entry(key).or_insert(0) += value;
    let now = Timestamp::MIN;
    for row in &tables.billing {
        let paying = Paying::new(row.record.given, row.record.subscription.as_ref());
        paying.taken_over(now).into_iter().for_each(&mut add);
    }
    for row in &tables.invoices {
        revenue(None, &row.invoice, row.tier).into_iter().for_each(&mut add);
    }
    let mut count = |key: RollupKey| add((key, 1));
    for day in tables.activity.values() {
        count(RollupKey::of(RollupName::Active, *day));
    }
    counts
}

fn rollup(RollupKey { day, name, key }: &RollupKey, value: i64) -> Rollup {
    Rollup { day: *day, name: *name, key: (*key).to_owned(), value }
}

#[async_trait]
impl RollupStore for Memory {
    async fn add(&self, counted: Vec<Counted>) -> Result<()> {
        self.write(|unit| {
            for (key, value) in counted {
                unit.tables.count(key, value);
            }
            Ok(())
        })
    }

    async fn note_active(&self, users: Vec<UserId>, day: Day) -> Result<()> {
        self.write(|unit| {
            for user in users {
                if unit.tables.user(user).is_some_and(|user| user.account.is_active) {
                    note_active(unit, user, day);
                }
            }
            Ok(())
        })
    }

    async fn since(&self, first: Day) -> Result<Vec<Rollup>> {
        let is_meant = |day: Day| day == Day::new(0) || day >= first;
        let tables = self.read();
        let rows = tables.rollups.iter().filter(|(key, _)| is_meant(key.day));
        Ok(rows.map(|(key, value)| rollup(key, *value)).collect())
    }

    async fn recount(&self, repaired_at: Option<Timestamp>) -> Result<Vec<RollupDifference>> {
        self.write(|unit| {
            let mut counted = counted(&unit.tables);
            let is_recounted = |key: &&RollupKey| RollupName::RECOUNTABLE.contains(&key.name);
            for key in unit.tables.rollups.keys().filter(is_recounted) {
                counted.entry(key.clone()).or_insert(0);
            }
            let mut differences = Vec::new();
            for (key, value) in counted {
                let stored = unit.tables.rollups.get(&key).copied().unwrap_or(0);
                if stored == value {
                    continue;
                }
                differences.push(RollupDifference { counted: rollup(&key, value), stored });
                if repaired_at.is_some() {
                    unit.tables.count(key, value - stored);
                }
            }
            if let Some(now) = repaired_at
                && !differences.is_empty()
            {
                let detail = format!("{} sums", differences.len());
                unit.audit(Entry::new(now, Action::FiguresRebuilt).with(detail));
            }
            Ok(differences)
        })
    }
}
