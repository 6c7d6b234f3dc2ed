//! Medians and percentiles: the few statistics the figures need.

use serde::{Deserialize, Serialize};

/// A figure over the rounds: its median, and the range it moved in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` without rounds.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        // The one in the middle, or between the two.
        let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[middle]);
        Some(Self { median, min, max })
    }
}

pub(crate) fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

/// The smallest sample that at least `percent` of all samples do not exceed. Sorts `samples`.
pub(crate) fn percentile(samples: &mut [u32], percent: usize) -> Option<u32> {
    samples.sort_unstable();
    let rank = (samples.len() * percent).div_ceil(100).max(1);
    samples.get(rank - 1).copied()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times here stay far below 2^52"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// In units of 1,000,000 bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        let of = |figures: &[f64]| {
            Spread::of(figures.iter().copied()).map(|it| (it.median, it.min, it.max))
        };
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_percentile_is_a_sample() {
        let mut samples: Vec<u32> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut samples, 50), Some(100));
        assert_eq!(percentile(&mut samples, 99), Some(198));
        assert_eq!(percentile(&mut [7], 1), Some(7));
        assert_eq!(percentile(&mut [], 50), None);
    }
}
