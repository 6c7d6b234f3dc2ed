//! What the operator of a development server does to it.

use rollcall_wire::operator::dev::ClockChange;

use super::Desk;
use crate::app::Operation;
use crate::development::Development;
use crate::http::error::{Failure, Written};

/// The controls, which the routes that ask for them have.
pub(crate) fn controls<'a>(desk: &Desk<'a>) -> Result<&'a Development, Failure> {
    let development = desk.app().development.as_ref();
    development.ok_or_else(|| {
        Failure::internal(
            "a development route without development controls",
            Written::Nothing,
        )
    })
}

/// Back to the state right after the start.
pub(crate) async fn reset(desk: &Desk<'_>) -> Result<(), Failure> {
    let app = desk.app();
    let development = controls(desk)?;
    let reset = app.store.reset(desk.proof);
    desk.write(Operation::Reset, reset).await?;
    development.forget();
    app.forget();
    desk.write(Operation::Reset, app.prepare()).await?;
    app.announce_clock();
    Ok(())
}

pub(crate) fn set_clock(desk: &Desk<'_>, change: ClockChange) -> Result<(), Failure> {
    let clock = &controls(desk)?.clock;
    match change {
        ClockChange::Advance(duration) => clock.advance(duration),
        ClockChange::StopAt(now) => clock.stop_at(now),
        ClockChange::FollowSystem => clock.follow_system(),
    }
    desk.app().announce_clock();
    Ok(())
}
