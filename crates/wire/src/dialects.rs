//! The dialects that are served, each in a file that can be read beside the contract.

use crate::dialect::Dialect;

mod ga;
mod v2026_03_24;
mod v2026_08_18;
mod v2026_09_04;

/// The dialect of a request that names none.
pub const NEWEST: &dyn Dialect = &ga::GeneralAvailability;

/// Every dialect, newest first. Order decides which one a request gets that names several.
pub const ALL: &[&dyn Dialect] = &[
    NEWEST,
    &v2026_09_04::V2026_09_04,
    &v2026_08_18::V2026_08_18,
    &v2026_03_24::V2026_03_24,
];

/// The dialect that the contract calls `name`: `2026-03-24`, …, `ga`.
pub fn by_short_name(name: &str) -> Option<&'static dyn Dialect> {
    ALL.iter()
        .copied()
        .find(|dialect| dialect.short_name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_stand_newest_first_and_are_found_by_name() {
        let names: Vec<_> = ALL.iter().map(|dialect| dialect.short_name()).collect();
        assert_eq!(names, ["ga", "2026-09-04", "2026-08-18", "2026-03-24"]);
        for name in names {
            assert_eq!(by_short_name(name).map(Dialect::short_name), Some(name));
        }
        assert!(by_short_name("2026-01-01").is_none());
    }
}
