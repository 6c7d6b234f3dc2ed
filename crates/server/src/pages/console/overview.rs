//! The overview: how much there is, how it grows, what waits for a decision, and whether platforms are
//! being told.

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::enrollment::EnrollmentStatus;
use rollcall_domain::page::{Limit, Order};
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_store::overview::{MOST_WAITING, WebhookFigures};

use super::charts::{self, AreaChart, BarChart, Segment};
use super::webhooks::{Condition, EndpointRow};
use super::{ConsoleCall, Frame, Organizations, enrollments, shown};
use crate::acts;
use crate::app::Operation;
use crate::http::error::{Failure, Outcome};
use crate::pages::programs::title;
use crate::pages::shown::{self as values, Moment};

/// How many days the growth is shown of.
const DAYS: u32 = 90;

/// How many organizations are shown.
const ORGANIZATIONS: u32 = 8;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    profiles: String,
    new_today: String,
    organizations: String,
    open_actions: String,
    waiting: String,
    requests: String,
    failed: String,
    growth: AreaChart,
    hour: BarChart,
    largest: Vec<OrganizationBar>,
    queue: Vec<WaitingRow>,
    webhooks: WebhookHealth,
}

#[derive(Debug)]
struct WebhookHealth {
    /// Whether there is any endpoint or delivery.
    is_used: bool,
    healthy: String,
    failing: String,
    disabled: String,
    waiting: String,
    /// How many deliveries the bar is of.
    looked_at: String,
    bar: Vec<Segment>,
    /// The endpoints that are failing.
    troubled: Vec<EndpointRow>,
}

#[derive(Debug)]
struct OrganizationBar {
    id: String,
    name: String,
    profiles: String,
    /// Of a hundred.
    share: u64,
}

#[derive(Debug)]
struct WaitingRow {
    id: String,
    organization: String,
    program: String,
    who: String,
    waiting: Moment,
}

/// How many failing endpoints are shown.
const TROUBLED: u8 = 3;

async fn webhook_health(
    call: &ConsoleCall<'_>,
    figures: &WebhookFigures,
    named: &Organizations,
    now: Timestamp,
) -> Result<WebhookHealth, Failure> {
    let filter = Condition::Failing.filter();
    let few = Limit::new(TROUBLED).unwrap_or(Limit::DEFAULT);
    let troubled = acts::endpoints::list(&call.desk, &filter, None, few).await?;
    let troubled = troubled
        .endpoints
        .iter()
        .map(|it| EndpointRow::new(it, named.name(&it.organization_id), now));
    let became = |status: DeliveryStatus| {
        let mut newest = figures.newest.iter();
        let found = newest.find(|(found, _)| *found == status);
        (status.as_str(), found.map_or(0, |(_, count)| *count))
    };
    let looked_at = figures.newest.iter().map(|(_, count)| count).sum();
    let endpoints = figures.healthy + figures.failing + figures.disabled;
    let plus = if figures.waiting >= u64::from(MOST_WAITING) {
        "+"
    } else {
        ""
    };
    Ok(WebhookHealth {
        is_used: endpoints + looked_at > 0,
        healthy: values::number(figures.healthy),
        failing: values::number(figures.failing),
        disabled: values::number(figures.disabled),
        waiting: format!("{}{plus}", values::number(figures.waiting)),
        looked_at: values::number(looked_at),
        bar: charts::segments([
            (became(DeliveryStatus::Delivered), "bar-good"),
            (became(DeliveryStatus::Pending), "bar-wait"),
            (became(DeliveryStatus::Failed), "bar-bad"),
            (became(DeliveryStatus::Canceled), "bar-soft"),
        ]),
        troubled: troubled.collect(),
    })
}

/// `GET /console`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let now = app.clock.now();
    let today = charts::day_of(now);
    let since = today - i64::from(DAYS) + 1;
    let read = app
        .store
        .registry_figures(call.desk.proof, ORGANIZATIONS, since);
    let figures = call.desk.read(Operation::ReadFigures, read).await?;
    let hour = app.traffic.last_hour(now);
    let filter = EnrollmentFilter {
        status: Some(EnrollmentStatus::Pending),
        ..EnrollmentFilter::default()
    };
    let few = Limit::new(5).unwrap_or(Limit::DEFAULT);
    let queue = acts::enrollments::list(&call.desk, &filter, Order::Ascending, None, few).await?;
    let named = Organizations::read(&call).await?;
    let most = figures.organizations.iter().map(|it| it.profiles).max();
    let largest = figures.organizations.iter().map(|it| OrganizationBar {
        id: it.organization_id.to_string(),
        name: it.name.clone(),
        profiles: values::number(it.profiles),
        share: charts::share(it.profiles, most.unwrap_or(0)),
    });
    let queue = queue.items.iter().map(|it| WaitingRow {
        id: it.id.to_string(),
        organization: named.name(&it.organization_id),
        program: title(&app.settings.programs, it.program.as_str()),
        who: enrollments::applicant(it),
        waiting: Moment::ago(it.submitted_at, now),
    });
    let webhooks = webhook_health(&call, &figures.webhooks, &named, now).await?;
    let new_today = figures.created.iter().find(|(day, _)| *day == today);
    shown(&OverviewPage {
        frame: Frame::new(&call, "overview"),
        profiles: values::number(figures.profiles),
        new_today: values::number(new_today.map_or(0, |(_, count)| *count)),
        organizations: values::number(figures.organization_count),
        open_actions: values::number(figures.open_actions),
        waiting: values::number(figures.waiting_enrollments),
        requests: values::number(hour.iter().map(|it| it.answered).sum()),
        failed: values::number(hour.iter().map(|it| it.failed).sum()),
        growth: charts::growth(&figures.created, figures.profiles, today, DAYS),
        hour: charts::requests(&hour),
        largest: largest.collect(),
        queue: queue.collect(),
        webhooks,
    })
}
