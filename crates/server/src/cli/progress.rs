//! How far a long command has come, for the person who watches: on a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar, or a count where the end is not known. Draws nothing when standard error is no terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Progress through `size` bytes.
    pub(crate) fn bytes(size: Option<u64>) -> Self {
        match size {
            Some(size) => Self::bar(
                ProgressBar::new(size),
                "{bar:30} {percent:>3}%  {bytes}/{total_bytes}  {msg}  {eta} left",
            ),
            None => Self::bar(ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
        }
    }

    /// Progress through `total` profiles, if it is known how many there are.
    pub(crate) fn profiles(total: Option<u64>) -> Self {
        match total {
            Some(total) => Self::bar(
                ProgressBar::new(total),
                "{bar:30} {percent:>3}%  {human_pos}/{human_len} profiles  {per_sec}  {eta} left",
            ),
            None => Self::bar(
                ProgressBar::new_spinner(),
                "{spinner} {human_pos} profiles  {per_sec}",
            ),
        }
    }

    /// Progress through rows, of which nobody knows yet how many there are.
    pub(crate) fn rows() -> Self {
        Self::bar(
            ProgressBar::new(0),
            "{bar:30} {percent:>3}%  {human_pos}/{human_len} rows  {msg}  {eta} left",
        )
    }

    fn bar(bar: ProgressBar, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// So far.
    pub(crate) fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// So far, of what is known of the whole.
    pub(crate) fn through(&self, position: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(position);
    }

    /// So far, with a word on it.
    pub(crate) fn say(&self, message: String) {
        self.0.set_message(message);
    }

    /// Prints through `write` without disturbing the bar.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
