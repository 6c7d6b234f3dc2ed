//! The rows of organizations.

use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::{
    EnrollmentLinks, Organization, OrganizationStatus, OrganizationSwitches,
};
use rollcall_record::gateway_policy;
use tokio_postgres::Row;

use super::rows::{column, damaged, optional, parsed, timestamp};
use crate::Stored;

pub(super) const ORGANIZATION: &str = "o.id, o.name, o.created_at, o.rate_limit_rpm, o.status, \
    o.enrollment_links, o.data_controls, o.gateway_policy";

pub(super) fn organization(row: &Row, at: usize) -> Stored<Organization> {
    let rate_limit_rpm: Option<i64> = column(row, at + 3)?;
    let rate_limit_rpm = rate_limit_rpm.map(u32::try_from).transpose();
    Ok(Organization {
        id: parsed(row, at, OrganizationId::parse)?,
        name: column(row, at + 1)?,
        created_at: timestamp(row, at + 2)?,
        rate_limit_rpm: rate_limit_rpm.map_err(|_| damaged("a limit"))?,
        status: parsed(row, at + 4, OrganizationStatus::parse)?,
        switches: OrganizationSwitches {
            enrollment_links: parsed(row, at + 5, EnrollmentLinks::parse)?,
            data_controls: parsed(row, at + 6, DataControlsApproval::parse)?,
        },
        gateway_policy: optional(row, at + 7, gateway_policy::decode)?.unwrap_or_default(),
    })
}
