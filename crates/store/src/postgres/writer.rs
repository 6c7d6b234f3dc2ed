//! Running a write: as one transaction, again if need be, and telling others of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::faults::{Fault, Faults};
use super::pool::Connections;
use super::recent::Recent;
use super::transaction::{Attempts, End, Tx};
use super::trouble::Trouble;
use crate::StoreError;
use crate::check::{BATCH_CLASSES, WriteFigures, batch_class};
use crate::writability::Writability;

/// What a function that runs in a transaction gives back.
pub(super) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 't>>;

/// What every write needs; one may outlive the call that asked for it.
pub(super) struct Writer {
    primary: Connections,
    /// For how long a write is tried again.
    patience: Duration,
    /// Who wrote lately, where there is a replica to lack it.
    pub(super) recent: Option<Recent>,
    pub(super) writability: Writability,
    pub(super) deliveries_added: Notify,
    /// The commits by how many calls they answered.
    commits: [AtomicU64; BATCH_CLASSES],
    /// The calls that they answered.
    committed: AtomicU64,
    pub(super) faults: OnceLock<Arc<dyn Faults>>,
}

/// Why a write came to no end of its own.
#[derive(Debug)]
pub(super) struct Ended {
    trouble: Trouble,
    /// Whether an attempt may have been applied.
    in_doubt: bool,
}

impl Ended {
    /// Whether nothing was done, and one of several calls may be the reason.
    pub(super) fn is_of_one(&self) -> bool {
        !self.in_doubt
            && match self.trouble {
                Trouble::Conflict(_)
                | Trouble::Duplicate(_)
                | Trouble::NoOrganization
                | Trouble::Held(_)
                | Trouble::Stored(_) => true,
                Trouble::Lost(_)
                | Trouble::Silent(_)
                | Trouble::Unreachable(_)
                | Trouble::Busy(_)
                | Trouble::Applied => false,
            }
    }
}

impl From<Ended> for StoreError {
    fn from(ended: Ended) -> Self {
        let error = ended.trouble.into();
        if ended.in_doubt {
            Self::OutcomeUnknown(Self::to_string(&error))
        } else {
            error
        }
    }
}

impl Writer {
    pub(super) fn new(primary: Connections, patience: Duration, has_replica: bool) -> Self {
        Self {
            primary,
            patience,
            recent: has_replica.then(Recent::default),
            writability: Writability::default(),
            deliveries_added: Notify::new(),
            commits: Default::default(),
            committed: AtomicU64::new(0),
            faults: OnceLock::new(),
        }
    }

    /// Runs `work` as one transaction and answers once it is committed.
    ///
    /// `work` may be run several times; it gets everything by shared reference and so cannot carry
    /// anything from one attempt to the next.
    pub(super) async fn run<C: Sync + ?Sized, T: Send>(
        &self,
        name: &'static str,
        context: &C,
        work: for<'t> fn(&'t mut Tx, &'t C) -> Work<'t, T>,
    ) -> Result<T, Ended> {
        let mut attempts = Attempts::new(name, self.patience);
        let mut doubtful: Option<T> = None;
        loop {
            let faults = self.faults.get();
            let fault = faults.and_then(|faults| faults.at_commit(name, attempts.number));
            let attempt = self.attempt(context, work, doubtful.is_some(), fault).await;
            let trouble = match attempt {
                Ok((value, None)) => return Ok(value),
                Ok((value, Some(unknown))) => {
                    doubtful = Some(value);
                    Trouble::Lost(unknown)
                }
                Err(Trouble::Applied) => match doubtful.take() {
                    Some(value) => return Ok(value),
                    None => return Err(self.ended(Trouble::Applied, false)),
                },
                Err(trouble) => trouble,
            };
            if let Err(trouble) = attempts.pause(trouble, doubtful.is_some()).await {
                return Err(self.ended(trouble, doubtful.is_some()));
            }
        }
    }

    fn ended(&self, trouble: Trouble, in_doubt: bool) -> Ended {
        if let Trouble::Lost(text) | Trouble::Unreachable(text) | Trouble::Busy(text) = &trouble {
            let text = text.clone();
            self.writability.failed(&if in_doubt {
                StoreError::OutcomeUnknown(text)
            } else {
                StoreError::Unavailable(text)
            });
        }
        Ended { trouble, in_doubt }
    }

    /// One attempt: its value, and why its outcome is not known if it is not.
    async fn attempt<C: Sync + ?Sized, T: Send>(
        &self,
        context: &C,
        work: for<'t> fn(&'t mut Tx, &'t C) -> Work<'t, T>,
        in_doubt: bool,
        fault: Option<Fault>,
    ) -> Result<(T, Option<String>), Trouble> {
        let connection = self.primary.connection_for_writing().await?;
        let mut tx = Tx::new(connection, "", in_doubt);
        let value = work(&mut tx, context).await?;
        let noted = tx.noted();
        let end = tx.commit(fault).await;
        if matches!(end, End::Committed | End::Unknown(_)) {
            if let Some(recent) = &self.recent {
                recent.wrote(noted.of);
            }
            if noted.adds_deliveries {
                self.deliveries_added.notify_one();
            }
        }
        match end {
            End::Committed => {
                if noted.wrote {
                    let calls = u64::try_from(noted.calls).unwrap_or(u64::MAX);
                    self.commits[batch_class(noted.calls)].fetch_add(1, Ordering::Relaxed);
                    self.committed.fetch_add(calls, Ordering::Relaxed);
                    self.writability.succeeded();
                }
                Ok((value, None))
            }
            // What only read has no outcome to doubt.
            End::Unknown(_) if !noted.wrote => Ok((value, None)),
            End::Unknown(reason) => Ok((value, Some(reason))),
            End::NothingDone(trouble) => Err(trouble),
        }
    }

    /// Figures about writing; `queued` calls wait for a turn, beside those that wait for a connection.
    pub(super) fn figures(&self, queued: usize) -> WriteFigures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let batches = self.commits.each_ref().map(read);
        WriteFigures {
            queued: u64::try_from(self.primary.waiting() + queued).unwrap_or_default(),
            commits: batches.iter().sum(),
            committed: read(&self.committed),
            batches,
        }
    }
}
