//! Several applications decided at once, with one note. Each decision is a transaction of its own: one that cannot be made does
//! not keep the others from it, and the answer tells of each what became of it. Sent again, the same form decides nothing twice.

use std::collections::BTreeSet;

use askama::Template;
use rollcall_domain::enrollment::Enrollment;
use rollcall_domain::id::EnrollmentId;
use rollcall_domain::page::Limit;
use rollcall_domain::program::Tiers;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::enrollments::{Approval, parse_rejection};

use super::confirm::{self, Question};
use super::enrollment::{next_waiting, note, reads};
use super::enrollments::{applicant, path};
use super::{ConsoleCall, Frame, Told, go, shown};
use crate::acts::{enrollments, if_there};
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::programs::{asks_for, title};

/// The queue.
const LIST: &str = "/console/enrollments";

#[derive(Template)]
#[template(path = "console/decisions.html")]
struct DecisionsPage {
    frame: Frame,
    /// What became of those that were decided.
    done: &'static str,
    decided: usize,
    failed: usize,
    rows: Vec<DecisionRow>,
    /// The next one that waits, if one does.
    next: Option<String>,
}

#[derive(Debug)]
struct DecisionRow {
    path: String,
    who: String,
    program: String,
    /// Why it was not decided, if it was not.
    problem: Option<String>,
}

/// What is to be decided about all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Approve,
    Reject,
}

/// `POST /console/enrollments`
pub(crate) async fn decide(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let verdict = match form.get("do") {
        Some("approve") => Verdict::Approve,
        Some("reject") => Verdict::Reject,
        _ => return Err(ApiError::at("do", "must be approve or reject").into()),
    };
    let ids: BTreeSet<_> = form.all("id").collect();
    if ids.is_empty() {
        return Ok(go(&format!("{LIST}?done=none-chosen")));
    }
    if ids.len() > usize::from(Limit::MAX) {
        let message = format!("must be at most {} at a time", Limit::MAX);
        return Err(ApiError::at("id", message).into());
    }
    let note = parse_rejection(form.body().with("note", note(&form).as_str()).fields())?;
    let mut chosen = Vec::with_capacity(ids.len());
    for id in ids {
        chosen.push(Chosen::find(&call, id).await?);
    }
    // As they stand in the queue.
    chosen.sort_by_key(|it| it.found.as_ref().map(|it| (it.submitted_at, it.id.clone())));
    if !confirm::is_confirmed(&form) {
        let question = of(&call, verdict, &chosen, note.as_deref());
        return confirm::ask(&call, "enrollments", question, &form);
    }
    let mut rows = Vec::with_capacity(chosen.len());
    for one in &chosen {
        let outcome = one.decide(&call, verdict, note.as_deref()).await;
        let problem = match outcome {
            Ok(()) => None,
            // What is the server's own trouble, or the storage's, is told of this one; the others may fare better.
            Err(failure) => {
                if let Some(cause) = failure.cause() {
                    tracing::error!(cause, enrollment = %one.id, "a decision among several failed");
                }
                Some(failure.told().message.clone())
            }
        };
        rows.push(one.row(&call, problem));
    }
    let failed = rows.iter().filter(|it| it.problem.is_some()).count();
    let told = (failed > 0)
        .then(|| Told::bad(format!("{failed} of {} could not be decided.", rows.len())));
    shown(&DecisionsPage {
        frame: Frame::new(&call, "enrollments").telling(told),
        done: match verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        },
        decided: rows.len() - failed,
        failed,
        rows,
        next: next_waiting(&call, None).await?,
    })
}

/// An application that was ticked, if it is there.
struct Chosen {
    id: EnrollmentId,
    found: Option<Enrollment>,
}

impl Chosen {
    async fn find(call: &ConsoleCall<'_>, id: &str) -> Result<Self, Failure> {
        let id = enrollments::named(id)?;
        let found = if_there(enrollments::find(&call.desk, &id).await)?;
        Ok(Self { id, found })
    }

    async fn decide(
        &self,
        call: &ConsoleCall<'_>,
        verdict: Verdict,
        note: Option<&str>,
    ) -> Result<(), Failure> {
        let found = self.found.as_ref();
        let enrollment = found.ok_or_else(|| ApiError::not_found("enrollment"))?;
        match verdict {
            Verdict::Approve => {
                let approval = as_asked_for(enrollment, note);
                enrollments::approve(&call.desk, enrollment, &approval).await?;
            }
            Verdict::Reject => {
                enrollments::reject(&call.desk, enrollment, note).await?;
            }
        }
        Ok(())
    }

    fn row(&self, call: &ConsoleCall<'_>, problem: Option<String>) -> DecisionRow {
        DecisionRow {
            path: path(&self.id),
            who: self.who(),
            program: self.program(call),
            problem,
        }
    }

    /// Who applied, as far as that is known.
    fn who(&self) -> String {
        let who = self.found.as_ref().map(applicant);
        who.filter(|who| !who.is_empty())
            .unwrap_or_else(|| self.id.to_string())
    }

    fn program(&self, call: &ConsoleCall<'_>) -> String {
        let found = self.found.as_ref();
        found.map_or_else(String::new, |it| {
            title(&call.app().settings.programs, it.program.as_str())
        })
    }
}

/// An approval of what was asked for, and no more.
fn as_asked_for(enrollment: &Enrollment, note: Option<&str>) -> Approval {
    let tiers = Tiers {
        a: asks_for(enrollment, "a"),
        b: asks_for(enrollment, "b"),
        c: asks_for(enrollment, "c"),
    };
    Approval {
        tiers: (tiers != Tiers::default()).then_some(tiers),
        requirements: None,
        note: note.map(str::to_owned),
    }
}

fn of(call: &ConsoleCall<'_>, verdict: Verdict, chosen: &[Chosen], note: Option<&str>) -> Question {
    let named = chosen
        .iter()
        .map(|it| format!("{} ({})", it.who(), it.program(call)));
    let mut effects: Vec<_> = named.collect();
    effects.push(reads(note));
    let (what, yes) = match verdict {
        Verdict::Approve => {
            effects.push("Each gets the tiers it asked for, without requirements.".to_owned());
            ("Approve", "Approve them")
        }
        Verdict::Reject => {
            effects.push("Whoever is rejected can apply through a new link.".to_owned());
            ("Reject", "Reject them")
        }
    };
    effects.push("The platforms are told by webhook at once.".to_owned());
    let applications = if chosen.len() == 1 {
        "application"
    } else {
        "applications"
    };
    Question {
        title: format!("{what} {} {applications}?", chosen.len()),
        effects,
        yes,
        back: LIST.to_owned(),
    }
}
