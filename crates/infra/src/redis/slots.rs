//! Keys in all parts of a cluster's slots.

/// Hash tags, each in its own 32nd of the 16,384 slots, in their order. Keys under all of them meet
/// every master that owns such a part; one of more than 32 masters may be missed.
const TAGS: [u8; 32] = [
    10, 113, 21, 3, 61, 72, 50, 43, 11, 112, 20, 2, 60, 73, 51, 42, 12, 111, 23, 1, 63, 70, 52, 41,
    13, 110, 22, 0, 62, 71, 53, 40,
];

/// One key for each hash tag.
pub(super) fn spread(name: &str) -> Vec<String> {
    TAGS.iter().map(|tag| format!("{name}:{{{tag}}}")).collect()
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn every_part_of_the_slots_has_its_key() {
        let keys = spread("alpine:x");
        for (key, part) in keys.iter().zip(0_u16..) {
            let slots = part * 512..(part + 1) * 512;
            let slot = Slot::for_key(key);
            assert!(slots.into_iter().any(|n| Slot::new(n) == Some(slot)), "{key}");
        }
        assert_eq!(keys.len(), 32);
    }
}
