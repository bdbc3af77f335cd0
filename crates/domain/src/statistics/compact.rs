//! The sums of one stretch, without those that others tell.

use std::collections::{HashMap, HashSet};

use super::{Choice, Segment, Series};

/// The sums of one stretch by series. A series that says the same as its [`base`](Series::base) is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompactSums(HashMap<Series, Segment>);

impl CompactSums {
    /// What is stored.
    pub const fn stored(sums: HashMap<Series, Segment>) -> Self {
        Self(sums)
    }

    /// Leaves out of all sums what others tell.
    pub fn of(all: &HashMap<Series, Segment>) -> Self {
        let nothing = Segment::default();
        let differs = |(series, segment): &(&Series, &Segment)| {
            let base = series.base();
            let base = base.as_ref().and_then(|base| all.get(base)).unwrap_or(&nothing);
            *segment != base
        };
        let kept = all.iter().filter(differs);
        Self(kept.map(|(series, segment)| (series.clone(), segment.clone())).collect())
    }

    /// The sums of a series.
    pub fn get(&self, series: &Series) -> Option<&Segment> {
        series.chain().find_map(|series| self.0.get(&series))
    }

    /// The sums of every series of every choice that is there.
    pub fn all(&self) -> impl Iterator<Item = (Series, &Segment)> {
        let choices: HashSet<&Choice> = self.0.keys().map(|series| &series.choice).collect();
        let series = choices.into_iter().flat_map(Series::of);
        series.filter_map(|series| {
            let segment = self.get(&series)?;
            Some((series, segment))
        })
    }

    /// What has to be stored.
    pub const fn rows(&self) -> &HashMap<Series, Segment> {
        &self.0
    }

    /// These with what came next, of some series.
    #[must_use]
    pub fn with(&self, added: &HashMap<Series, Segment>) -> Self {
        let choices: HashSet<&Choice> = added.keys().map(|series| &series.choice).collect();
        let mut all: HashMap<Series, Segment> = HashMap::new();
        for series in choices.into_iter().flat_map(Series::of) {
            let mut segment = self.get(&series).cloned().unwrap_or_default();
            if let Some(added) = added.get(&series) {
                segment.append(added);
            }
            all.insert(series, segment);
        }
        Self::of(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signal::Record, statistics::LateOutcomes};

    fn published(count: i64) -> Segment {
        Segment { published: count, ..Segment::default() }
    }

    fn series(record: Record, late: LateOutcomes) -> Series {
        Series { record, late, choice: Choice::default() }
    }

    #[test]
    fn only_what_differs_is_kept_and_everything_is_told() {
        use LateOutcomes::{Exclude, Include};
        let added = |live: i64, simulated: i64| {
            let all = [
                (Record::Live, live),
                (Record::Simulated, simulated),
                (Record::All, live + simulated),
            ];
            let both = [Exclude, Include];
            let sums = all.into_iter().flat_map(|(record, count)| {
                both.map(|late| (series(record, late), published(count)))
            });
            sums.filter(|(_, segment)| !segment.is_empty()).collect::<HashMap<_, _>>()
        };
        let live = CompactSums::default().with(&added(1, 0));
        assert_eq!(live.rows().len(), 1);
        let both = live.with(&added(1, 3));
        assert_eq!(both.rows().len(), 3);
        let more = both.with(&added(1, 0));
        for late in [Exclude, Include] {
            for (record, count) in [(Record::Live, 3), (Record::Simulated, 3), (Record::All, 6)] {
                assert_eq!(more.get(&series(record, late)), Some(&published(count)), "{record}");
            }
            assert_eq!(more.get(&series(Record::Backfilled, late)), None);
        }
        assert_eq!(more.all().count(), 6);
    }
}
