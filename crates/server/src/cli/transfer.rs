//! `rollcall transfer`: everything out of one storage into another, of the same engine or the other.
//!
//! No server may run on either side. An embedded storage belongs to one process anyway; of a database the
//! lease is held that one of its servers always holds, which shows that there is none and keeps them from
//! starting. Killed anywhere and run again, it goes on.

use std::path::PathBuf;
use std::time::Duration;

use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_domain::id::{Chance as _, SystemChance};
use rollcall_store::leases::{BACKGROUND, TRANSFER};
use rollcall_store::transfer::{Doing, TransferError, TransferStep, transfer};
use serde_json::{Map, json};
use tokio::time::Instant;

use super::failure::{Failure, Outcome};
use super::output::{self, OutputArgs};
use super::progress::Progress;
use super::secret_key;
use super::storage::{self, Storage, StorageArgs};
use crate::config::{Config, SECRET_KEY_FILE};

/// Move everything into another storage: keys, endpoints, profiles, deliveries, the audit trail
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    to: ToArgs,
    #[command(flatten)]
    from: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ToArgs {
    /// Directory of an embedded storage to fill; it must hold nothing yet
    #[arg(long, value_name = "DIR")]
    to_data_dir: Option<String>,
    /// PostgreSQL to fill; it must hold nothing yet
    #[arg(long, value_name = "URL")]
    to_database_url: Option<String>,
}

/// How long the lease is claimed for.
const LEASE: Duration = Duration::from_secs(5);
/// How often it is claimed again.
const CLAIM_EVERY: Duration = Duration::from_millis(1_500);
/// How long a lease is waited for that a server or transfer may have left when it was killed.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long nobody may have had it: a server that was just started, or whose claim failed once, claims it meanwhile.
const UNHELD: Duration = CLAIM_EVERY.saturating_mul(2);

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let from = arguments.from.settings()?.config;
    let to = StorageArgs {
        config: arguments.from.config.clone(),
        data_dir: arguments.to.to_data_dir,
        database_url: arguments.to.to_database_url,
    };
    let to = to.settings()?.config;
    storage::existing(&from)?;
    refuse_itself(&from, &to)?;
    let source = storage::open_to_move(&from, false).await?;
    let moved = async {
        let secrets = secret_key::of_moving(&from, &source).await?;
        let target = storage::open_to_move(&to, true).await?;
        let moved = alone(&source, &target, || {
            secret_key::bring_along(&to, secrets.as_ref())
        });
        let moved = moved.await;
        target.store.close().await;
        moved
    };
    let moved = moved.await;
    source.store.close().await;
    let tables = moved?;
    tell_of_the_key(&from, &to)?;
    let rows: u64 = tables.values().filter_map(serde_json::Value::as_u64).sum();
    arguments.output.open().item(&json!({
        "type": "storage_transferred", "differences": 0, "rows": rows, "tables": tables,
    }))
}

/// Refuses to move a storage into itself.
fn refuse_itself(from: &Config, to: &Config) -> Outcome {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let same = match (&from.database_url, &to.database_url) {
        (Some(from), Some(to)) => from.expose() == to.expose(),
        (None, None) => real(&from.data_dir) == real(&to.data_dir),
        _ => false,
    };
    if same {
        return Err(same_storage());
    }
    Ok(())
}

fn same_storage() -> Failure {
    Failure::setup("both sides are the same storage; name another one to fill")
}

/// Moves while nobody else can use either side.
async fn alone(
    source: &Storage,
    target: &Storage,
    bring_along: impl FnOnce() -> Outcome + Send,
) -> Outcome<Map<String, serde_json::Value>> {
    // One for each side: a database has one lease, whatever URLs name it.
    let (here, there) = (owner(), owner());
    let moved = async {
        claim(source, &here, None, "is to be moved").await?;
        let rest = async {
            claim(target, &there, Some(&here), "is to be filled").await?;
            tokio::select! {
                moved = moved(source, target, bring_along) => moved,
                lost = keep(target, &there) => Err(lost),
            }
        };
        tokio::select! {
            moved = rest => moved,
            lost = keep(source, &here) => Err(lost),
        }
    };
    let moved = moved.await;
    for (side, owner) in [(source, here), (target, there)] {
        if side.store.is_shared() {
            // It ends by itself should this fail.
            let _ = side.store.release_lease(BACKGROUND, &owner).await;
        }
    }
    moved
}

fn owner() -> String {
    let mut random = [0; 8];
    SystemChance.fill(&mut random);
    format!("{TRANSFER}{:016x}", u64::from_be_bytes(random))
}

async fn moved(
    source: &Storage,
    target: &Storage,
    bring_along: impl FnOnce() -> Outcome + Send,
) -> Outcome<Map<String, serde_json::Value>> {
    let progress = Progress::rows();
    let tell = |step: TransferStep| {
        progress.through(step.done, step.of);
        progress.say(match step.doing {
            Doing::Copying(table) => format!("copying {table}"),
            Doing::Comparing(table) => format!("comparing {table}"),
        });
    };
    let proof = source.proof;
    let moved = transfer(&*source.store, &*target.store, proof, bring_along, &tell).await;
    progress.end();
    let moved = moved?;
    if moved.was_there {
        output::note("All of it was there already.");
    }
    let tables = moved.tables.into_iter();
    Ok(tables
        .map(|(name, rows)| (name.to_owned(), rows.into()))
        .collect())
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Store(error) => error.into(),
            TransferError::Occupied(_) => {
                Self::setup(format!("{error}; name a storage that holds nothing yet"))
            }
            TransferError::HalfFilled => {
                Self::setup(format!("{error}; run that one to its end first"))
            }
            TransferError::Differs(_) => Self::failed(format!(
                "{error}; did anybody write to one of them? Empty the one that was filled, and begin again"
            )),
        }
    }
}

/// Takes the lease that a server would hold, once nobody has had it for [`UNHELD`]. `other` has that of the other side.
async fn claim(side: &Storage, owner: &str, other: Option<&str>, what: &str) -> Outcome {
    if !side.store.is_shared() {
        return Ok(());
    }
    let until = Instant::now() + PATIENCE;
    let mut unheld_since = None;
    loop {
        let held = side.store.lease_owner(BACKGROUND, SystemClock.now());
        let held = held.await?;
        if other.is_some() && held.as_deref() == other {
            return Err(same_storage());
        }
        if held.is_some() {
            unheld_since = None;
        } else if unheld_since.get_or_insert_with(Instant::now).elapsed() >= UNHELD
            && claim_now(side, owner).await?
        {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Failure::setup(format!(
                "a server, or another transfer, is running on the database that {what}; stop it"
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn claim_now(side: &Storage, owner: &str) -> Outcome<bool> {
    let claimed = side
        .store
        .claim_lease(BACKGROUND, owner, LEASE, SystemClock.now());
    Ok(claimed.await?.is_some())
}

/// Keeps the lease, and comes back when it is lost.
async fn keep(side: &Storage, owner: &str) -> Failure {
    if !side.store.is_shared() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(CLAIM_EVERY).await;
        match claim_now(side, owner).await {
            Ok(true) => {}
            Ok(false) => {
                return Failure::failed(
                    "a server was started on a database while everything was being moved; stop it, and run this \
                     again",
                );
            }
            Err(failure) => return failure,
        }
    }
}

/// Says which key the servers of the new storage must have.
fn tell_of_the_key(from: &Config, to: &Config) -> Outcome {
    let stated = from.secret_keys().map_err(Failure::setup)?.is_some();
    match (&to.database_url, stated) {
        (Some(_), true) => output::note(
            "Signing secrets and page cursors open with the secret_key that is set here: set the same for every server.",
        ),
        (Some(_), false) => output::note(&format!(
            "Signing secrets and page cursors open with the key in {}: set its first line as secret_key for every \
             server, and further lines as previous_secret_keys.",
            from.data_dir.join(SECRET_KEY_FILE).display()
        )),
        (None, _) if !to.data_dir.join(SECRET_KEY_FILE).exists() => {}
        (None, _) => output::note(&format!(
            "The key that opens signing secrets and page cursors is in {}.",
            to.data_dir.join(SECRET_KEY_FILE).display()
        )),
    }
    Ok(())
}
