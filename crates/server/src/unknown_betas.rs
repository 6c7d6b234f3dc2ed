//! Betas that nobody here knows: whether they were accepted is counted, and each name is logged once.
//!
//! An operator learns from it that clients speak of something newer than this server. Names are the
//! clients' own, so they are no label of a metric, and of those that were logged only so many are
//! remembered; the log says so when there are more.

use std::collections::HashSet;

use parking_lot::Mutex;
use rollcall_wire::headers::SHOWN_NAME;

/// How many names are remembered, of at most [`SHOWN_NAME`] bytes each.
const REMEMBERED: usize = 256;

/// The names that were logged.
#[derive(Debug, Default)]
pub(crate) struct UnknownBetas(Mutex<HashSet<Box<str>>>);

impl UnknownBetas {
    /// Logs those of the accepted `names` that were not logged before.
    pub(crate) fn note(&self, names: &[&str]) {
        let mut logged = self.0.lock();
        for name in names {
            // They are ASCII, so that a cut is never within a character.
            let name = name.get(..SHOWN_NAME).unwrap_or(name);
            if logged.len() == REMEMBERED || logged.contains(name) {
                continue;
            }
            logged.insert(name.into());
            tracing::info!(name, "a beta that is not known was accepted without effect");
            if logged.len() == REMEMBERED {
                tracing::info!("{REMEMBERED} unknown betas were logged; further ones are not");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_fill_the_memory_of_names() {
        let betas = UnknownBetas::default();
        let long = format!("{}-2027-01-01", "x".repeat(30_000));
        betas.note(&[&long, &long]);
        assert_eq!(betas.0.lock().len(), 1);
        for number in 0..10_000 {
            betas.note(&[&format!("name{number}-2027-01-01")]);
        }
        let logged = betas.0.lock();
        assert_eq!(logged.len(), REMEMBERED);
        assert!(logged.iter().all(|name| name.len() <= SHOWN_NAME));
    }
}
