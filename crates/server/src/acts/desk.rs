//! An operator at work: who acts, with which right, and on what.

use std::sync::Arc;

use rollcall_domain::audit::{Act, Actor, ActorKind};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::role::{Right, Role};
use rollcall_domain::tenant::{ApiKey, OperatorProof, OrganizationScope};
use rollcall_store::{Store, Stored};
use rollcall_wire::error::ApiError;

use crate::app::{App, Operation};
use crate::http::error::Failure;
use crate::http::exchange::{CommandLine, Exchange};

/// An operator, and the request that is being worked on.
pub(crate) struct Desk<'a> {
    exchange: &'a Exchange<'a>,
    actor: Actor,
    role: Role,
    /// The right to touch every organization's data.
    pub(crate) proof: OperatorProof,
}

impl<'a> Desk<'a> {
    /// The desk of whoever holds this key, if it is an operator's, for what needs this right.
    pub(crate) fn of_key(
        exchange: &'a Exchange<'a>,
        key: &ApiKey,
        right: Right,
    ) -> Option<Result<Self, Failure>> {
        let role = key.owner.role()?;
        let actor = Actor {
            kind: ActorKind::Operator,
            id: key.id.to_string(),
            name: Some(key.name.clone()),
        };
        let desk = OperatorProof::of_role(role, right).map(|proof| Self {
            exchange,
            actor,
            role,
            proof,
        });
        Some(desk.map_err(|forbids| ApiError::role_forbids(forbids).into()))
    }

    /// The desk of whoever has opened the storage.
    pub(crate) fn of_command_line(exchange: &'a Exchange<'a>, _: &CommandLine) -> Self {
        Self {
            exchange,
            actor: Actor::command_line(),
            role: Role::Owner,
            proof: OperatorProof::of_storage_access(),
        }
    }

    pub(crate) fn exchange(&self) -> &'a Exchange<'a> {
        self.exchange
    }

    pub(crate) fn app(&self) -> &'a Arc<App> {
        self.exchange.app
    }

    pub(crate) fn store(&self) -> &'a dyn Store {
        &*self.exchange.app.store
    }

    /// What the operator is.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Refuses what needs this right besides that of the route.
    pub(crate) fn require(&self, right: Right) -> Result<(), Failure> {
        let may = self.role.may(right);
        may.map_err(|forbids| ApiError::role_forbids(forbids).into())
    }

    /// Who acts, and when: now.
    pub(crate) fn act(&self) -> Act {
        Act {
            actor: self.actor.clone(),
            at: self.exchange.app.clock.now(),
        }
    }

    /// The right to touch one organization's data.
    pub(crate) fn scope(&self, organization_id: &OrganizationId) -> OrganizationScope {
        self.proof.choose(organization_id.clone())
    }

    /// Reads from storage, taking the time.
    pub(crate) async fn read<T>(
        &self,
        operation: Operation,
        read: impl Future<Output = Stored<T>>,
    ) -> Result<T, Failure> {
        self.exchange.read(operation, read).await
    }

    /// Writes to storage, taking the time.
    pub(crate) async fn write<T>(
        &self,
        operation: Operation,
        write: impl Future<Output = Stored<T>>,
    ) -> Result<T, Failure> {
        self.exchange.write(operation, write).await
    }
}
