//! Many entries added up at once, by day and series.

use std::collections::{BTreeMap, HashMap};

use super::{Choice, Entry, LateOutcomes, Segment, Series};
use crate::{
    analytics::Day,
    producer::ProducerName,
    signal::{Record, Strategy, Symbol},
};

/// Where a choice stands in the list of choices.
type Place = usize;

/// The sums of entries that come in their order.
#[derive(Default)]
pub struct Fold {
    choices: Vec<Choice>,
    places: HashMap<Choice, Place>,
    /// The places of the choices that hold signals of these three.
    holding: HashMap<(Option<Strategy>, ProducerName, Symbol), Vec<Place>>,
    sums: BTreeMap<(Day, Place, Record, LateOutcomes), Segment>,
}

impl Fold {
    /// Adds what comes next.
    pub fn add(&mut self, entry: &Entry) {
        let day = Day::of(entry.at);
        let places = self.places(entry);
        for record in Record::ALL.iter().copied() {
            for late in LateOutcomes::ALL.iter().copied() {
                let Some(segment) = entry.adds(record, late) else { continue };
                for place in &places {
                    let sum = self.sums.entry((day, *place, record, late)).or_default();
                    sum.append(&segment);
                }
            }
        }
    }

    fn places(&mut self, entry: &Entry) -> Vec<Place> {
        let signal = &entry.signal;
        let key = (signal.strategy.clone(), signal.producer.clone(), signal.symbol.clone());
        if let Some(places) = self.holding.get(&key) {
            return places.clone();
        }
        let (strategy, producer, symbol) = &key;
        let choices = Choice::holding(strategy.as_ref(), producer, symbol);
        let mut places = Vec::with_capacity(8);
        for choice in choices {
            let place = *self.places.entry(choice.clone()).or_insert_with(|| {
                self.choices.push(choice);
                self.choices.len() - 1
            });
            places.push(place);
        }
        self.holding.insert(key, places.clone());
        places
    }

    /// The sums of each series on each day on which something happened, days in order.
    pub fn into_sums(self) -> impl Iterator<Item = (Day, Series, Segment)> {
        let Self { choices, sums, .. } = self;
        sums.into_iter().filter_map(move |((day, place, record, late), segment)| {
            let choice = choices.get(place)?.clone();
            Some((day, Series { record, late, choice }, segment))
        })
    }
}
