//! `rollcall import`: NDJSON records into the storage or a running server.
//!
//! Every batch is one transaction; after it, a small file beside the input notes how far everything is
//! stored, so that `--resume` goes on there after whatever ended the run. Importing the same lines twice
//! does no harm either: a record replaces the one with its id. A bad line fails alone.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::ValueEnum;
use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_record::csv::Mapped;
use rollcall_store::registry::{Put, PutMode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Call, Client, segment};
use super::failure::{Failure, Outcome};
use super::output::{OutputArgs, note, printable};
use super::progress::Progress;
use super::records::{self, BadLine, Batch, Defaults, GoodLine, Place, Reading};
use super::storage::Storage;
use super::target::{Target, TargetArgs};
use crate::acts;

/// On a terminal, so many bad lines are shown; a file gets all of them.
const SHOWN_ON_TERMINAL: u64 = 100;

/// Import profiles from NDJSON records or CSV, ids and timestamps kept
///
/// A file whose first line does not begin with a brace is a CSV: its first row names the fields, such as name,
/// external_user_details.country or metadata.plan.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, gzip or not; - for standard input
    file: PathBuf,
    /// The organization of records that name none
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// Check every line and write nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// A line without an id replaces the one profile of its organization that has its reference id, so that the
    /// same file twice makes the same registry
    #[arg(long = "match", value_name = "FIELD")]
    matching: Option<Matching>,
    /// The column of a CSV is this field; with no field it is left out (may repeat)
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = mapped)]
    maps: Vec<Mapped>,
    /// Go on where an earlier import of this file ended
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What lines are matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Matching {
    /// The platform's own id of an end user
    #[value(name = "reference_id")]
    ReferenceId,
}

fn mapped(text: &str) -> Result<Mapped, &'static str> {
    let (column, field) = text.split_once('=').ok_or("must be COLUMN=FIELD")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}

impl Arguments {
    fn mode(&self) -> PutMode {
        PutMode {
            match_reference: self.matching.is_some(),
            dry_run: self.dry_run,
        }
    }
}

pub(crate) fn organization_id(text: &str) -> Result<OrganizationId, String> {
    OrganizationId::parse(text).map_err(|error| error.to_string())
}

/// What has become of the lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    imported: u64,
    replaced: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.imported += other.imported;
        self.replaced += other.replaced;
        self.failed += other.failed;
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let notes = ProgressNotes::beside(&arguments.file);
    let start = if arguments.resume {
        notes.read(&arguments.file)?
    } else {
        None
    };
    let target = arguments.target.open_to_load().await?;
    // Whoever looks up references, or writes nothing, needs the indexes.
    let in_bulk = if arguments.mode() == PutMode::default() {
        begin_bulk_load(&target, &arguments.file).await?
    } else {
        None
    };
    let outcome = import(&arguments, &target, &notes, start).await;
    let finished = match &in_bulk {
        Some(storage) => storage.store.finish_bulk_load(storage.proof).await,
        None => Ok(()),
    };
    target.close().await;
    outcome.and_then(|()| Ok(finished?))
}

/// From this size on, a file is loaded in bulk, if the storage holds less than the file does.
const BULK_BYTES: u64 = 32 * 1024 * 1024;
/// The least a record takes in a file that an export wrote.
const RECORD_BYTES: u64 = 400;

/// Prepares the storage for a file that is large beside what the storage holds. Building indexes anew
/// reads every profile there is, so a small file is better off without.
async fn begin_bulk_load<'a>(target: &'a Target, file: &Path) -> Outcome<Option<&'a Storage>> {
    let Target::Storage(storage) = target else {
        return Ok(None);
    };
    let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    let counts = storage.store.count_profiles(storage.proof).await?;
    let held: u64 = counts.iter().map(|(_, profiles)| profiles).sum();
    if size < BULK_BYTES || held > size / RECORD_BYTES {
        return Ok(None);
    }
    storage.store.begin_bulk_load(storage.proof).await?;
    Ok(Some(storage))
}

async fn import(
    arguments: &Arguments,
    target: &Target,
    notes: &ProgressNotes,
    start: Option<(Place, Tally)>,
) -> Outcome {
    if let Some(id) = &arguments.organization_id {
        require_organization(target, id).await?;
    }
    let (place, mut tally) = start.unzip();
    let defaults = Defaults {
        ids: Arc::new(Ids::default()),
        now: SystemClock.now(),
        organization_id: arguments.organization_id.clone(),
    };
    let shown = arguments.file.display();
    let mode = arguments.mode();
    let (keeps_text, most) = match target {
        Target::Storage(_) => (false, records::BATCH_RECORDS),
        // A server tells of no more bad lines in an answer.
        Target::Server(_) => (true, acts::import::REPORTED_ERRORS),
    };
    let reading = Reading {
        defaults,
        mode,
        keeps_text,
        most,
        mapped: arguments.maps.clone(),
    };
    let mut records = records::read(&arguments.file, place, reading)
        .map_err(|error| Failure::setup(format!("cannot read {shown}: {error}")))?;
    let read = Arc::clone(&records.read);
    let tally = tally.get_or_insert_default();
    let before = tally.imported + tally.replaced + tally.failed;
    let progress = Progress::bytes(records.size);
    let begun = Instant::now();
    let mut complaints = Complaints::new(&progress);
    let mut done = place.unwrap_or_default();
    let mut result = Ok(());
    let batches = poll_fn(|context| records.batches.poll_recv(context));
    let stored = batches.map(async |batch| match batch {
        Ok(batch) => store(target, batch, mode).await,
        Err(error) => Err(Failure::failed(format!("cannot read {shown}: {error}"))),
    });
    let mut stored = pin!(stored.buffered(at_a_time(target)));
    while let Some(stored) = stored.next().await {
        match stored {
            Ok(stored) => {
                tally.add(stored.tally);
                for line in &stored.bad {
                    complaints.about(line);
                }
                done = stored.end;
            }
            Err(failure) => {
                result = Err(stopped(&failure, done, notes));
                break;
            }
        }
        if !mode.dry_run {
            notes.write(done, *tally);
        }
        let seconds = begun.elapsed().as_secs_f64().max(0.001);
        let all = tally.imported + tally.replaced + tally.failed;
        progress.at(read.load(Ordering::Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (all - before) as f64 / seconds;
        progress.say(format!("{all} records  {rate:.0}/s"));
    }
    progress.end();
    complaints.end();
    result?;
    let mut report = json!({
        "imported": tally.imported, "replaced": tally.replaced, "failed": tally.failed,
    });
    if mode.dry_run {
        report["dry_run"] = true.into();
    } else {
        notes.remove();
    }
    arguments.output.open().item(&report)?;
    if tally.failed == 0 {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

fn stopped(failure: &Failure, done: Place, notes: &ProgressNotes) -> Failure {
    let Some(reason) = failure.reason() else {
        return failure.clone();
    };
    let advice = if notes.file.is_some() {
        "; everything before is stored, go on with --resume"
    } else {
        "; everything before is stored"
    };
    Failure::failed(format!(
        "stopped after line {}: {reason}{advice}",
        done.lines
    ))
}

async fn require_organization(target: &Target, id: &OrganizationId) -> Outcome {
    match target {
        Target::Storage(storage) => storage.require_organization(id).await,
        Target::Server(client) => {
            let path = format!("/operator/v1/organizations/{}", segment(id.as_str()));
            client.call(Call::get(path)).await.map(drop)
        }
    }
}

/// Batches that are on their way at a time. A storage writes what concerns the same profile in the order in which
/// it was asked for, so that one batch can be prepared while others are written; on the way to a server a
/// line might overtake an earlier one.
fn at_a_time(target: &Target) -> usize {
    match target {
        Target::Storage(_) => 3,
        Target::Server(_) => 1,
    }
}

/// What became of a batch.
struct StoredBatch {
    tally: Tally,
    bad: Vec<BadLine>,
    /// Where the next one begins.
    end: Place,
}

/// Stores the good lines of a batch.
async fn store(target: &Target, batch: Batch, mode: PutMode) -> Outcome<StoredBatch> {
    let Batch { good, bad, end } = batch;
    let mut stored = StoredBatch {
        tally: Tally::default(),
        bad,
        end,
    };
    if !good.is_empty() {
        match target {
            Target::Storage(storage) => put(storage, good, mode, &mut stored).await?,
            Target::Server(client) => post(client, &good, mode, &mut stored).await?,
        }
    }
    stored.bad.sort_by_key(|line| line.number);
    stored.tally.failed = stored.bad.len() as u64;
    Ok(stored)
}

async fn put(
    storage: &Storage,
    good: Vec<GoodLine>,
    mode: PutMode,
    stored: &mut StoredBatch,
) -> Outcome {
    let (numbers, records): (Vec<_>, Vec<_>) = good
        .into_iter()
        .map(|line| (line.number, (line.organization_id, line.profile)))
        .unzip();
    let puts = storage
        .store
        .put_profiles(storage.proof, &storage.act(), records, mode)
        .await?;
    for (number, put) in numbers.into_iter().zip(puts) {
        match acts::records::refused(&put) {
            Ok(()) if put == Put::Created => stored.tally.imported += 1,
            Ok(()) => stored.tally.replaced += 1,
            Err(error) => {
                let problem = error.message;
                stored.bad.push(BadLine { number, problem });
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
struct Imported {
    imported: u64,
    replaced: u64,
    #[serde(default)]
    errors: Vec<ImportError>,
}

#[derive(Deserialize)]
struct ImportError {
    line: usize,
    message: String,
}

/// Sends the lines as they stood in the file. Where they are not matched by their reference, each has its id, so that
/// a batch that has to be sent again makes no second profile.
async fn post(
    client: &Client,
    good: &[GoodLine],
    mode: PutMode,
    stored: &mut StoredBatch,
) -> Outcome {
    let mut lines = Vec::with_capacity(good.len() * 768);
    for record in good {
        record.write(&mut lines, mode);
    }
    let mut call = Call::records("/operator/v1/user_profiles/import", lines.into());
    if mode.dry_run {
        call = call.query("dry_run", "true");
    }
    if mode.match_reference {
        call = call.query("match", "reference_id");
    }
    let answer: Value = client.call(call).await?;
    let answer: Imported = serde_json::from_value(answer)
        .map_err(|error| Failure::failed(format!("the server's answer is no import's: {error}")))?;
    stored.tally.imported += answer.imported;
    stored.tally.replaced += answer.replaced;
    for error in answer.errors {
        let record = error.line.checked_sub(1).and_then(|at| good.get(at));
        stored.bad.push(BadLine {
            number: record.map_or(0, |record| record.number),
            problem: error.message,
        });
    }
    Ok(())
}

/// Tells about bad lines on standard error.
struct Complaints<'a> {
    progress: &'a Progress,
    made: u64,
    shown: u64,
}

impl<'a> Complaints<'a> {
    fn new(progress: &'a Progress) -> Self {
        Self {
            progress,
            made: 0,
            shown: if std::io::stderr().is_terminal() {
                SHOWN_ON_TERMINAL
            } else {
                u64::MAX
            },
        }
    }

    fn about(&mut self, line: &BadLine) {
        self.made += 1;
        if self.made <= self.shown {
            let text = format!("line {}: {}", line.number, printable(&line.problem));
            self.progress.aside(|| note(&text));
        }
    }

    fn end(&self) {
        if self.made > self.shown {
            let left = self.made - self.shown;
            note(&format!(
                "{left} more bad lines; 2>errors.txt keeps them all"
            ));
        }
    }
}

/// The file beside the input that says how far everything is stored.
#[derive(Debug)]
struct ProgressNotes {
    /// None for standard input, which cannot be read again.
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    offset: u64,
    lines: u64,
    fingerprint: u32,
    #[serde(flatten)]
    tally: Tally,
}

impl ProgressNotes {
    fn beside(input: &Path) -> Self {
        if input.as_os_str() == "-" {
            return Self { file: None };
        }
        let mut file = input.as_os_str().to_owned();
        file.push(".progress");
        Self {
            file: Some(file.into()),
        }
    }

    fn read(&self, input: &Path) -> Outcome<Option<(Place, Tally)>> {
        let Some(file) = &self.file else {
            return Err(Failure::setup(
                "standard input cannot be resumed; name a file, or leave --resume out",
            ));
        };
        let shown = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                note(&format!("{} begins at its first line", input.display()));
                return Ok(None);
            }
            Err(error) => return Err(Failure::setup(format!("cannot read {shown}: {error}"))),
        };
        let noted: Noted = serde_json::from_str(&text).map_err(|_damaged| {
            Failure::setup(format!(
                "{shown} is damaged; remove it and import without --resume"
            ))
        })?;
        let place = Place {
            offset: noted.offset,
            lines: noted.lines,
            fingerprint: noted.fingerprint,
        };
        Ok(Some((place, noted.tally)))
    }

    /// Notes are a convenience: where they cannot be written the import goes on without.
    fn write(&self, place: Place, tally: Tally) {
        let Some(file) = &self.file else { return };
        let noted = json!(Noted {
            offset: place.offset,
            lines: place.lines,
            fingerprint: place.fingerprint,
            tally,
        });
        let mut partial = file.as_os_str().to_owned();
        partial.push("~");
        let written = std::fs::File::create(&partial)
            .and_then(|mut partial| partial.write_all(noted.to_string().as_bytes()));
        if written.is_ok() {
            let _ = std::fs::rename(&partial, file);
        }
    }

    fn remove(&self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}
