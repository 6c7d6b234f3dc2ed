//! Any number of records in: from a file that arrives by and by, over the operator API or through a form of the console.
//!
//! An import holds a batch of records at a time, whatever passes through it. A batch is stored while the next one is read, so
//! that reading lines and committing share the processor.

mod lines;

use std::sync::Arc;

use bytes::Bytes;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::ProfileRecord;
use rollcall_record::line::{self, Record};
use rollcall_store::registry::{Put, PutMode};
use rollcall_store::{StoreError, Stored};
use rollcall_wire::operator::profiles::ImportReport;
use tokio::task::JoinHandle;

use super::{Desk, records};
use crate::app::Operation;
use crate::first_ids::EarlierLines;
use crate::http::error::{Failure, Written};
use lines::{BATCH, LONGEST_LINE, Line};
pub(crate) use lines::{Decoder, Format, Lines};

/// How many bytes of lines are stored at a time, give or take one line.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// How many bad lines are reported; the others are counted.
pub(crate) const REPORTED_ERRORS: usize = 1_000;

/// How many ids are remembered to recognise the same one further down; some 10 MiB.
const REMEMBERED_IDS: usize = 1_000_000;

/// What was cut at once: the cutter, so many lines, and the rows that are none.
type Taken = (Lines, Vec<Line>, Vec<(u64, String)>);

fn taken(mut lines: Lines) -> Taken {
    let some = lines.some();
    let bad = lines.take_bad();
    (lines, some, bad)
}

/// An import on its way: what is being read, what is being stored, what became of it.
pub(crate) struct Import<'a> {
    desk: &'a Desk<'a>,
    /// What cuts the file into lines; away while it does.
    lines: Option<Lines>,
    /// Whose records are that name nobody.
    organization_id: Option<OrganizationId>,
    batch: Vec<(u64, OrganizationId, ProfileRecord)>,
    /// The length of the lines that the batch was read from.
    batch_bytes: usize,
    storing: Option<Storing>,
    earlier: EarlierLines,
    mode: PutMode,
    report: ImportReport,
}

struct Storing {
    lines: Vec<u64>,
    task: JoinHandle<Stored<Vec<Put>>>,
}

impl<'a> Import<'a> {
    /// Of the records in `lines`; those that name no organization are of this one, if one is given.
    pub(crate) fn new(
        desk: &'a Desk<'a>,
        lines: Lines,
        mode: PutMode,
        organization_id: Option<OrganizationId>,
    ) -> Self {
        Self {
            desk,
            lines: Some(lines),
            organization_id,
            batch: Vec::with_capacity(BATCH),
            batch_bytes: 0,
            storing: None,
            earlier: EarlierLines::up_to(REMEMBERED_IDS, mode),
            mode,
            report: ImportReport::default(),
        }
    }

    /// Takes the lines that one more part of the file completes.
    pub(crate) async fn feed(&mut self, mut part: Bytes) -> Result<(), Failure> {
        while !part.is_empty() {
            let mut lines = self.lines()?;
            let at_once = part.split_to(part.len().min(lines.at_once()));
            self.cut(move || {
                lines.feed(&at_once)?;
                Ok(lines)
            })
            .await?;
        }
        Ok(())
    }

    /// What became of all of it, now that nothing follows.
    pub(crate) async fn finish(mut self) -> Result<ImportReport, Failure> {
        let mut lines = self.lines()?;
        self.cut(move || {
            lines.end()?;
            Ok(lines)
        })
        .await?;
        if !self.batch.is_empty() {
            self.store_batch().await?;
        }
        self.stored().await?;
        self.desk.app().sweep_due.notify_one();
        // Batches fail after lines that were read later did.
        self.report.errors.sort_by_key(|(line, _)| *line);
        Ok(self.report)
    }

    fn lines(&mut self) -> Result<Lines, Failure> {
        let lost = || Failure::internal("an import went on after it had failed", Written::Perhaps);
        self.lines.take().ok_or_else(lost)
    }

    /// Takes the lines there are then. They are decoded and cut where nobody waits for it: four kilobytes can be four million
    /// of them.
    async fn cut(
        &mut self,
        begin: impl FnOnce() -> Result<Lines, Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let mut cutting = tokio::task::spawn_blocking(move || begin().map(taken));
        loop {
            let cut = cutting.await.unwrap_or_else(|error| {
                Err(Failure::internal(error.to_string(), Written::Perhaps))
            });
            let (mut lines, some, bad) = cut?;
            for (line, problem) in bad {
                self.fail(line, problem);
            }
            let are_all = some.len() < BATCH && !lines.has_more();
            for line in some {
                self.line(line).await?;
            }
            if are_all {
                self.lines = Some(lines);
                return Ok(());
            }
            cutting = tokio::task::spawn_blocking(move || {
                lines.go_on()?;
                Ok(taken(lines))
            });
        }
    }

    async fn line(&mut self, line: Line) -> Result<(), Failure> {
        let app = self.desk.app();
        let Ok(bytes) = line.bytes else {
            self.fail(line.number, format!("must be at most {LONGEST_LINE} bytes"));
            return Ok(());
        };
        match line::parse(&bytes, &app.ids, app.clock.now()) {
            Err(error) => self.fail(line.number, error.to_string()),
            Ok(Record::WebhookEndpoint(_)) => {
                self.fail(line.number, "type: must be user_profile".into());
            }
            Ok(Record::Profile {
                organization_id,
                profile,
            }) => match organization_id.or_else(|| self.organization_id.clone()) {
                None => self.fail(line.number, "organization_id: is required".into()),
                Some(organization_id) => {
                    if let Some(problem) = self.earlier.repeated(&organization_id, &profile) {
                        self.fail(line.number, problem.into());
                    } else {
                        self.batch_bytes += bytes.len();
                        self.batch.push((line.number, organization_id, *profile));
                    }
                }
            },
        }
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
            self.store_batch().await?;
        }
        Ok(())
    }

    fn fail(&mut self, line: u64, message: String) {
        self.report.failed += 1;
        if self.report.errors.len() < REPORTED_ERRORS {
            self.report.errors.push((line, message));
        }
    }

    /// Hands the batch over once the one before it is stored.
    async fn store_batch(&mut self) -> Result<(), Failure> {
        self.stored().await?;
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.batch_bytes = 0;
        let mut lines = Vec::with_capacity(batch.len());
        let mut records = Vec::with_capacity(batch.len());
        for (line, organization_id, profile) in batch {
            lines.push(line);
            records.push((organization_id, profile));
        }
        let app = Arc::clone(self.desk.app());
        let (proof, act) = (self.desk.proof, self.desk.act());
        let mode = self.mode;
        let put = async move { app.store.put_profiles(proof, &act, records, mode).await };
        let task = tokio::spawn(put);
        self.storing = Some(Storing { lines, task });
        Ok(())
    }

    /// Waits for the batch that is being stored.
    async fn stored(&mut self) -> Result<(), Failure> {
        let Some(Storing { lines, task }) = self.storing.take() else {
            return Ok(());
        };
        let put = async {
            task.await
                .unwrap_or_else(|error| Err(StoreError::OutcomeUnknown(error.to_string())))
        };
        let put = self.desk.write(Operation::PutProfiles, put).await?;
        for (line, put) in lines.into_iter().zip(put) {
            match records::refused(&put) {
                Ok(()) if put == Put::Created => self.report.imported += 1,
                Ok(()) => self.report.replaced += 1,
                Err(error) => self.fail(line, error.message),
            }
        }
        Ok(())
    }
}
