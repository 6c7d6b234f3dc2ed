//! `rollcall export`: profiles as NDJSON records, which `rollcall import` restores exactly.
//!
//! The order is the storage's own and does not depend on when or how profiles were written, so that two
//! exports of the same profiles are the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::export_audit;
use rollcall_record::line;
use serde_json::Value;

use super::client::{Call, Client};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output;
use super::private_files::NewFile;
use super::progress::Progress;
use super::storage::Storage;
use super::target::{Target, TargetArgs};

/// Profiles that are read and written at a time.
const PAGE: usize = 500;

/// Export profiles as NDJSON records
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to write; - for standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only this organization's profiles
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// Compress with gzip
    #[arg(long)]
    gzip: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let target = arguments.target.open_to_read().await?;
    let outcome = export(&arguments, &target).await;
    target.close().await;
    outcome
}

async fn export(arguments: &Arguments, target: &Target) -> Outcome {
    let cannot = |error| cannot_write(&arguments.file, error);
    let mut destination = Destination::open(&arguments.file).map_err(|error| {
        Failure::setup(format!(
            "cannot write {}: {error}",
            arguments.file.display()
        ))
    })?;
    if arguments.gzip {
        let mut compressed = GzEncoder::new(&mut destination, Compression::default());
        let mut write = |bytes: &[u8]| compressed.write_all(bytes).map_err(cannot);
        records(arguments, target, &mut write).await?;
        compressed.finish().map_err(cannot)?;
    } else {
        let mut write = |bytes: &[u8]| destination.write_all(bytes).map_err(cannot);
        records(arguments, target, &mut write).await?;
    }
    destination.finish().map_err(cannot)
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    if is_stdout(path) {
        return error.into();
    }
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Takes some lines on their way out.
type WriteOut<'a> = &'a mut (dyn FnMut(&[u8]) -> Outcome + Send);

async fn records(arguments: &Arguments, target: &Target, out: WriteOut<'_>) -> Outcome {
    let organization_id = arguments.organization_id.as_ref();
    match target {
        Target::Storage(storage) => from_storage(storage, organization_id, out).await,
        Target::Server(client) => from_server(client, organization_id, out).await,
    }
}

async fn from_storage(
    storage: &Storage,
    organization_id: Option<&OrganizationId>,
    out: WriteOut<'_>,
) -> Outcome {
    let Storage { store, proof, .. } = storage;
    if let Some(id) = organization_id {
        storage.require_organization(id).await?;
    }
    let counts = store.count_profiles(*proof).await?;
    let counted = counts
        .iter()
        .filter(|(id, _)| organization_id.is_none_or(|wanted| wanted == id));
    let progress = Progress::profiles(Some(counted.map(|(_, count)| count).sum()));
    let mut lines = String::with_capacity(PAGE * 1_024);
    let (mut written, mut after) = (0, None);
    loop {
        let page = store
            .export_profiles(*proof, organization_id, after.as_ref(), PAGE)
            .await?;
        lines.clear();
        for found in &page.profiles {
            let profile = found.document.decode();
            let profile =
                profile.map_err(|error| Failure::failed(format!("{}: {error}", found.id)))?;
            let profile = profile.with_data_controls_as_of(storage.now(), storage.data_controls);
            line::write(&mut lines, &found.organization_id, &profile);
        }
        out(lines.as_bytes())?;
        written += page.profiles.len() as u64;
        progress.at(written);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    progress.end();
    let entry = export_audit(organization_id, Some(written));
    store
        .record(*proof, &storage.act(), organization_id, entry)
        .await?;
    Ok(())
}

async fn from_server(
    client: &Client,
    organization_id: Option<&OrganizationId>,
    out: WriteOut<'_>,
) -> Outcome {
    let organizations = match organization_id {
        Some(id) => vec![id.to_string()],
        None => organizations(client).await?,
    };
    let progress = Progress::profiles(None);
    let mut written = 0;
    for id in organizations {
        let call = Call::get("/operator/v1/user_profiles/export").query("organization_id", id);
        let mut response = client.send(&call).await?;
        let mut last = b'\n';
        while let Some(chunk) = response.chunk().await.map_err(|error| {
            Failure::failed(format!(
                "the export broke off after {written} records: {error}"
            ))
        })? {
            out(&chunk)?;
            let lines = chunk.split(|&byte| byte == b'\n').count() - 1;
            written += lines as u64;
            last = chunk.last().copied().unwrap_or(last);
            progress.at(written);
        }
        if last != b'\n' {
            return Err(Failure::failed("the export ended within a record"));
        }
    }
    progress.end();
    Ok(())
}

/// Every organization's id, in the order in which the storage exports them.
async fn organizations(client: &Client) -> Outcome<Vec<String>> {
    let mut ids = Vec::new();
    let mut page: Option<String> = None;
    loop {
        let call = Call::get("/operator/v1/organizations")
            .query("limit", "100")
            .optional("page", page.as_deref());
        let answer = client.call(call).await?;
        let rows = answer.get("data").and_then(Value::as_array);
        let found = rows.into_iter().flatten();
        ids.extend(found.filter_map(|row| row.get("id")?.as_str().map(str::to_owned)));
        page = answer
            .get("next_page")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if page.is_none() {
            ids.sort();
            return Ok(ids);
        }
    }
}

/// Where an export goes. A file appears under its name when it is complete, and not before; what is no
/// ordinary file is written to as it is.
enum Destination {
    Stdout(BufWriter<std::io::Stdout>),
    File(BufWriter<File>, NewFile),
    Other(BufWriter<File>),
}

/// Bytes that are written at a time.
const BUFFER: usize = 256 * 1024;

impl Destination {
    fn open(path: &Path) -> std::io::Result<Self> {
        if is_stdout(path) {
            return Ok(Self::Stdout(output::bytes()));
        }
        // Whoever made a link wants the file where it leads.
        let led_to = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_ordinary = led_to.symlink_metadata().map_or_else(
            |error| error.kind() == std::io::ErrorKind::NotFound,
            |there| there.is_file(),
        );
        if is_ordinary {
            let mut new = NewFile::beside(&led_to)?;
            let file = new.as_file_mut().try_clone()?;
            return Ok(Self::File(BufWriter::with_capacity(BUFFER, file), new));
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        Ok(Self::Other(BufWriter::with_capacity(BUFFER, file)))
    }

    fn finish(mut self) -> std::io::Result<()> {
        self.flush()?;
        match self {
            Self::File(_, new) => new.finish(),
            Self::Stdout(_) | Self::Other(_) => Ok(()),
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file, _) | Self::Other(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file, _) | Self::Other(file) => file.flush(),
        }
    }
}
