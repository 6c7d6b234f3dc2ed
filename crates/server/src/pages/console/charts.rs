//! Charts drawn here as SVG: no script, no inline style, colours by class, so that they follow light
//! and dark. Each says in its title what it shows; the figures are beside it as text.

use rollcall_domain::clock::Timestamp;
use rollcall_record::time;

use crate::pages::shown::number;
use crate::traffic::Minute;

const WIDTH: u32 = 600;
const HEIGHT: u32 = 170;
const LEFT: u32 = 64;
const BOTTOM: u32 = 26;
const TOP: u32 = 10;

/// A label somewhere on a chart.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) anchor: &'static str,
    pub(super) text: String,
}

/// A growing number over days.
#[derive(Debug)]
pub(super) struct AreaChart {
    pub(super) title: String,
    /// Points of the line, as `points` of a polyline.
    pub(super) line: String,
    /// The same, closed at the bottom.
    pub(super) area: String,
    pub(super) labels: Vec<Label>,
    /// Heights of the axes' lines.
    pub(super) grid: Vec<u32>,
}

/// Bars side by side, one for each minute.
#[derive(Debug)]
pub(super) struct BarChart {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<Label>,
    pub(super) grid: Vec<u32>,
}

/// A part of a column.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) class: &'static str,
}

/// A part of a bar that is a hundred long.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) width: u64,
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The day a time lies in, counted from 1970-01-01.
pub(super) fn day_of(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(MICROS_PER_DAY)
}

fn day_text(day: i64) -> String {
    let noon = Timestamp::from_micros(day.saturating_mul(MICROS_PER_DAY));
    let text = noon.map(time::to_text).unwrap_or_default();
    text.get(5..10).unwrap_or_default().to_owned()
}

/// How the number of profiles has grown over the `days` that end with `today`.
pub(super) fn growth(created: &[(i64, u64)], total: u64, today: i64, days: u32) -> AreaChart {
    let first = today - i64::from(days) + 1;
    let within: u64 = created.iter().map(|(_, count)| count).sum();
    let mut running = total.saturating_sub(within);
    let mut levels = Vec::new();
    for day in first..=today {
        let found = created.iter().find(|(created, _)| *created == day);
        running += found.map_or(0, |(_, count)| *count);
        levels.push(running);
    }
    let top = nice(levels.iter().copied().max().unwrap_or(0));
    let mut line = String::new();
    for (place, level) in levels.iter().enumerate() {
        let place = u32::try_from(place).unwrap_or(0);
        let x = LEFT + place * (WIDTH - LEFT - 4) / days.saturating_sub(1).max(1);
        line.push_str(&format!("{x},{} ", height(*level, top)));
    }
    let floor = HEIGHT - BOTTOM;
    let area = format!("{LEFT},{floor} {line}{},{floor}", WIDTH - 4);
    let mut labels = scale(top);
    labels.push(below(LEFT, "start", day_text(first)));
    labels.push(below(WIDTH - 4, "end", "today".to_owned()));
    AreaChart {
        title: format!(
            "Profiles over the last {days} days: from {} to {}",
            number(levels.first().copied().unwrap_or(0)),
            number(total)
        ),
        line: line.trim_end().to_owned(),
        area,
        labels,
        grid: grid(),
    }
}

/// Requests of the last hour, minute by minute.
pub(super) fn requests(hour: &[Minute]) -> BarChart {
    let top = nice(hour.iter().map(|minute| minute.answered).max().unwrap_or(0));
    let count = u32::try_from(hour.len()).unwrap_or(1).max(1);
    let mut bars = Vec::new();
    for (place, minute) in hour.iter().enumerate() {
        let place = u32::try_from(place).unwrap_or(0);
        let x = LEFT + place * (WIDTH - LEFT - 4) / count;
        let mut column = |from: u64, to: u64, class| {
            let (low, high) = (height(from, top), height(to, top));
            if low > high {
                bars.push(Bar {
                    x,
                    y: high,
                    width: 7,
                    height: (low - high).max(1),
                    class,
                });
            }
        };
        let good = minute.answered - minute.refused - minute.failed;
        column(0, good, "bar");
        column(good, good + minute.refused, "bar-soft");
        column(good + minute.refused, minute.answered, "bar-bad");
    }
    let total: u64 = hour.iter().map(|minute| minute.answered).sum();
    let failed: u64 = hour.iter().map(|minute| minute.failed).sum();
    let mut labels = scale(top);
    labels.push(below(LEFT, "start", format!("{} min ago", hour.len())));
    labels.push(below(WIDTH - 4, "end", "now".to_owned()));
    BarChart {
        title: format!(
            "Requests of the last hour: {}, of which {} failed",
            number(total),
            number(failed)
        ),
        bars,
        labels,
        grid: grid(),
    }
}

/// The smallest round number that is not below `number`, and never 0.
fn nice(number: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 4, 5] {
            if unit.saturating_mul(factor * 2) >= number {
                return unit.saturating_mul(factor * 2);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn height(level: u64, top: u64) -> u32 {
    let room = u64::from(HEIGHT - BOTTOM - TOP);
    let risen = u128::from(level.min(top)) * u128::from(room) / u128::from(top.max(1));
    HEIGHT - BOTTOM - u32::try_from(risen).unwrap_or(0)
}

fn grid() -> Vec<u32> {
    vec![TOP, middle(), HEIGHT - BOTTOM]
}

fn middle() -> u32 {
    u32::midpoint(TOP, HEIGHT - BOTTOM)
}

fn scale(top: u64) -> Vec<Label> {
    let at = |y: u32, level: u64| Label {
        x: LEFT - 6,
        y: y + 4,
        anchor: "end",
        text: short(level),
    };
    vec![at(TOP, top), at(middle(), top / 2), at(HEIGHT - BOTTOM, 0)]
}

fn below(x: u32, anchor: &'static str, text: String) -> Label {
    Label {
        x,
        y: HEIGHT - 5,
        anchor,
        text,
    }
}

/// A round number in few characters.
fn short(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        _ if number.is_multiple_of(1_000_000) => format!("{}M", number / 1_000_000),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// Parts of a whole side by side. One that is there at all can be seen, however small it is.
pub(super) fn segments<const N: usize>(
    parts: [((&'static str, u64), &'static str); N],
) -> Vec<Segment> {
    let whole: u64 = parts.iter().map(|((_, count), _)| count).sum();
    let mut widths = parts.map(|((_, count), _)| share(count, whole));
    // What rounding left over or took too much is the widest one's.
    let used: u64 = widths.iter().sum();
    if let Some(widest) = widths.iter_mut().max()
        && whole > 0
    {
        *widest = (*widest + 100).saturating_sub(used);
    }
    let mut x = 0;
    let placed = parts
        .iter()
        .zip(widths)
        .map(|(((label, count), class), width)| {
            let segment = Segment {
                label,
                count: number(*count),
                class,
                x,
                width,
            };
            x += width;
            segment
        });
    placed.collect()
}

/// How long a bar is, of a hundred.
pub(super) fn share(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    (part.saturating_mul(100) / whole).max(u64::from(part > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_never_empty() {
        for (number, top) in [
            (0, 2),
            (1, 2),
            (3, 4),
            (9, 10),
            (11, 20),
            (999, 1_000),
            (1_200_000, 2_000_000),
        ] {
            assert_eq!(nice(number), top, "{number}");
        }
        assert_eq!(
            (short(9_999), short(40_000), short(1_500_000)),
            ("9999".into(), "40k".into(), "1.5M".into())
        );
    }

    #[test]
    fn segments_fill_the_bar_and_show_the_small() {
        let parts = [
            (("a", 994), "x"),
            (("b", 1), "y"),
            (("c", 0), "z"),
            (("d", 5), "w"),
        ];
        let shown: Vec<_> = segments(parts).iter().map(|it| (it.x, it.width)).collect();
        assert_eq!(shown, [(0, 98), (98, 1), (99, 0), (99, 1)]);
        let none = segments([(("a", 0), "x"), (("b", 0), "y")]);
        assert!(none.iter().all(|it| it.width == 0));
    }

    #[test]
    fn growth_ends_at_the_total() {
        let chart = growth(&[(100, 3), (102, 2)], 10, 102, 3);
        assert!(chart.title.ends_with("from 8 to 10"), "{}", chart.title);
        assert_eq!(chart.line.split(' ').count(), 3);
    }
}
