//! Organizations, workspaces and keys.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::removal::Removal;
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, EnrollmentLinks, KeyStatus, OperatorProof, Organization, OrganizationPatch,
    OrganizationScope, OrganizationStatus, OrganizationSwitches, SecretHash, Workspace,
};
use rollcall_record::gateway_policy;
use rusqlite::{Connection, Row, params};

use super::commit::{INSTALLATION, keep_audit};
use super::key_rows::{KEY, end_sessions, find_key, key, operator_keys};
use super::rows::{damaged, execute, optional, organization_number, parsed, query, timestamp};
use super::{SqliteStore, failed, removal};
use crate::Stored;
use crate::columns::{lookup, policy_text};
use crate::tenants::{Credential, Left, Listed, NotStored, Tenants};

const ORGANIZATION: &str = "o.id, o.name, o.created_at, o.rate_limit_rpm, o.status, \
    o.enrollment_links, o.data_controls, o.gateway_policy";

#[async_trait]
impl Tenants for SqliteStore {
    async fn insert_organization(
        &self,
        _proof: OperatorProof,
        act: &Act,
        organization: &Organization,
    ) -> Stored<Result<(), NotStored>> {
        let (ids, act, organization) = (Arc::clone(&self.ids), act.clone(), organization.clone());
        self.writer
            .write(move |connection| {
                let inserted = execute(
                    connection,
                    "INSERT INTO organizations (id, name, created_at, rate_limit_rpm, status, \
                     enrollment_links, data_controls, gateway_policy) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
                    params![
                        organization.id.as_str(),
                        organization.name,
                        organization.created_at.as_micros(),
                        organization.rate_limit_rpm,
                        organization.status.as_str(),
                        organization.switches.enrollment_links.as_str(),
                        organization.switches.data_controls.as_str(),
                        policy_text(&organization.gateway_policy)
                    ],
                )?;
                if inserted == 0 {
                    return Ok(Err(NotStored::Taken));
                }
                let number = connection.last_insert_rowid();
                keep_audit(connection, &ids, number, &act, &[organization.creation()])?;
                Ok(Ok(()))
            })
            .await
    }

    async fn find_organization(
        &self,
        _proof: OperatorProof,
        id: &OrganizationId,
    ) -> Stored<Option<Organization>> {
        self.read(|connection| find_organization(connection, id))
    }

    async fn list_organizations(
        &self,
        _proof: OperatorProof,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Organization>> {
        let sql = format!(
            "SELECT {ORGANIZATION} FROM organizations o WHERE (o.created_at, o.id) > (?1, ?2) \
             AND o.removal IS NULL ORDER BY o.created_at, o.id LIMIT ?3"
        );
        self.read(|connection| {
            let (created_at, id) = position(after);
            let parameters = params![created_at, id, rows_wanted(limit)];
            let found = query(connection, &sql, parameters, organization)?;
            Ok(Listed::of(found, limit, |found| {
                (found.created_at, found.id.as_str())
            }))
        })
    }

    async fn change_organization(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
        patch: &OrganizationPatch,
    ) -> Stored<Option<Organization>> {
        let (ids, act, id, patch) = (
            Arc::clone(&self.ids),
            act.clone(),
            id.clone(),
            patch.clone(),
        );
        let known = Arc::clone(&self.organizations);
        self.writer
            .write(move |connection| {
                let Some(before) = find_organization(connection, &id)? else {
                    return Ok(None);
                };
                let decided = before.update(&patch);
                let after = decided.value;
                if !decided.changed {
                    return Ok(Some(after));
                }
                execute(
                    connection,
                    "UPDATE organizations SET name = ?2, rate_limit_rpm = ?3, status = ?4, \
                     enrollment_links = ?5, data_controls = ?6, gateway_policy = ?7 WHERE id = ?1",
                    params![
                        id.as_str(),
                        after.name,
                        after.rate_limit_rpm,
                        after.status.as_str(),
                        after.switches.enrollment_links.as_str(),
                        after.switches.data_controls.as_str(),
                        policy_text(&after.gateway_policy)
                    ],
                )?;
                let number = organization_number(connection, &known, &id)?;
                let number = number.ok_or_else(|| damaged("an organization"))?;
                keep_audit(connection, &ids, number, &act, &decided.audit)?;
                Ok(Some(after))
            })
            .await
    }

    async fn begin_removal(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
    ) -> Stored<Option<Result<(), Refusal>>> {
        let (id, actor, known) = (
            id.clone(),
            act.actor.clone(),
            Arc::clone(&self.organizations),
        );
        self.writer
            .write(move |connection| {
                let Some(organization) = find_organization(connection, &id)? else {
                    let has_begun = removal::begun(connection, &id)?.is_some();
                    return Ok(has_begun.then_some(Ok(())));
                };
                let removal = match Removal::of(&organization, actor.clone()) {
                    Ok(removal) => removal,
                    Err(refusal) => return Ok(Some(Err(refusal))),
                };
                removal::keep(connection, &id, &removal)?;
                known.forget(&id);
                Ok(Some(Ok(())))
            })
            .await
    }

    async fn go_on_removing(
        &self,
        _proof: OperatorProof,
        id: &OrganizationId,
        now: Timestamp,
        limit: usize,
    ) -> Stored<Left> {
        let (ids, id, known) = (
            Arc::clone(&self.ids),
            id.clone(),
            Arc::clone(&self.organizations),
        );
        self.writer
            .write(move |connection| {
                // Who read before the end began may have remembered it since.
                known.forget(&id);
                removal::go_on(connection, &ids, &id, now, limit)
            })
            .await
    }

    async fn list_removals(&self, _proof: OperatorProof) -> Stored<Vec<OrganizationId>> {
        self.read(removal::list)
    }

    async fn insert_workspace(
        &self,
        _proof: OperatorProof,
        act: &Act,
        workspace: &Workspace,
    ) -> Stored<Result<(), NotStored>> {
        let (ids, act, workspace) = (Arc::clone(&self.ids), act.clone(), workspace.clone());
        let known = Arc::clone(&self.organizations);
        self.writer
            .write(move |connection| {
                let number = organization_number(connection, &known, &workspace.organization_id)?;
                let Some(number) = number else {
                    return Ok(Err(NotStored::UnknownOrganization));
                };
                let id = workspace.id.as_str();
                let inserted = execute(
                    connection,
                    "INSERT INTO workspaces (id, organization, name, created_at) \
                     VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    params![id, number, workspace.name, workspace.created_at.as_micros()],
                )?;
                if inserted == 0 {
                    return Ok(Err(NotStored::Taken));
                }
                keep_audit(connection, &ids, number, &act, &[workspace.creation()])?;
                Ok(Ok(()))
            })
            .await
    }

    async fn list_workspaces(
        &self,
        scope: &OrganizationScope,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Workspace>> {
        self.read(|connection| {
            let organization_id = scope.organization_id();
            let number = self.organization(connection, organization_id)?;
            let (created_at, id) = position(after);
            let found = query(
                connection,
                "SELECT id, name, created_at FROM workspaces WHERE organization = ?1 \
                 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4",
                params![number, created_at, id, rows_wanted(limit)],
                |row| {
                    Ok(Workspace {
                        id: parsed(row, 0, WorkspaceId::parse)?,
                        organization_id: organization_id.clone(),
                        name: row.get(1).map_err(failed)?,
                        created_at: timestamp(row, 2)?,
                    })
                },
            )?;
            Ok(Listed::of(found, limit, |found| {
                (found.created_at, found.id.as_str())
            }))
        })
    }

    async fn has_workspace(&self, scope: &OrganizationScope, id: &WorkspaceId) -> Stored<bool> {
        self.read(|connection| {
            let number = self.organization(connection, scope.organization_id())?;
            let sql = "SELECT 1 FROM workspaces WHERE id = ?1 AND organization = ?2";
            let found = query(connection, sql, params![id.as_str(), number], |_| Ok(()))?;
            Ok(!found.is_empty())
        })
    }

    async fn find_workspace(
        &self,
        _proof: OperatorProof,
        id: &WorkspaceId,
    ) -> Stored<Option<Workspace>> {
        self.read(|connection| {
            let sql = "SELECT w.id, w.name, w.created_at, o.id FROM workspaces w \
                 JOIN organizations o ON o.number = w.organization WHERE w.id = ?1";
            let found = query(connection, sql, params![id.as_str()], |row| {
                Ok(Workspace {
                    id: parsed(row, 0, WorkspaceId::parse)?,
                    organization_id: parsed(row, 3, OrganizationId::parse)?,
                    name: row.get(1).map_err(failed)?,
                    created_at: timestamp(row, 2)?,
                })
            })?;
            Ok(found.into_iter().next())
        })
    }

    async fn insert_key(
        &self,
        _proof: OperatorProof,
        act: &Act,
        key: &ApiKey,
        secret: &SecretHash,
    ) -> Stored<Result<(), NotStored>> {
        let (ids, act, key, secret) = (Arc::clone(&self.ids), act.clone(), key.clone(), *secret);
        let known = Arc::clone(&self.organizations);
        self.writer
            .write(move |connection| {
                let number = match key.owner.organization_id() {
                    None => INSTALLATION,
                    Some(id) => match organization_number(connection, &known, id)? {
                        None => return Ok(Err(NotStored::UnknownOrganization)),
                        Some(number) => number,
                    },
                };
                if let Some(workspace) = key.owner.workspace_id() {
                    let sql = "SELECT 1 FROM workspaces WHERE id = ?1 AND organization = ?2";
                    let parameters = params![workspace.as_str(), number];
                    if query(connection, sql, parameters, |_| Ok(()))?.is_empty() {
                        return Ok(Err(NotStored::UnknownWorkspace));
                    }
                }
                let inserted = execute(
                    connection,
                    "INSERT INTO api_keys (id, organization, kind, workspace_id, name, created_at, \
                     expires_at, last_used_at, status, literal, role, lookup, secret_hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING",
                    params![
                        key.id.as_str(),
                        number,
                        key.owner.kind().as_str(),
                        key.owner.workspace_id().map(WorkspaceId::as_str),
                        key.name,
                        key.created_at.as_micros(),
                        key.expires_at.map(Timestamp::as_micros),
                        key.last_used_at.map(Timestamp::as_micros),
                        key.status.as_str(),
                        key.literal,
                        key.owner.role().map(Role::as_str),
                        lookup(&secret),
                        secret.0
                    ],
                )?;
                if inserted == 0 {
                    return Ok(Err(NotStored::Taken));
                }
                keep_audit(connection, &ids, number, &act, &[key.creation()])?;
                Ok(Ok(()))
            })
            .await
    }

    async fn find_credential(&self, secret: &SecretHash) -> Stored<Option<Credential>> {
        let sql = format!(
            "SELECT {KEY}, {ORGANIZATION} FROM api_keys k \
             LEFT JOIN organizations o ON o.number = k.organization WHERE k.lookup = ?1"
        );
        self.read(|connection| {
            let found = query(connection, &sql, [lookup(secret)], |row| {
                let organization = match row.get_ref(11).map_err(failed)? {
                    rusqlite::types::ValueRef::Null => None,
                    _ => Some(organization_at(row, 11)?),
                };
                let organization_id = organization.as_ref().map(|found| &found.id);
                let key = key(row, organization_id)?;
                let secret_hash = SecretHash(row.get(10).map_err(failed)?);
                Ok(Credential {
                    key,
                    organization,
                    secret_hash,
                })
            })?;
            // Two keys whose hashes share eight bytes do not occur; were it so, the right one is found.
            Ok(found.into_iter().find(|found| {
                subtle::ConstantTimeEq::ct_eq(&found.secret_hash.0[..], &secret.0[..]).into()
            }))
        })
    }

    async fn find_key(&self, _proof: OperatorProof, id: &ApiKeyId) -> Stored<Option<ApiKey>> {
        self.read(|connection| Ok(find_key(connection, id)?.map(|(_, key)| key)))
    }

    async fn list_keys(
        &self,
        _proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<ApiKey>> {
        let sql = format!(
            "SELECT {KEY} FROM api_keys k WHERE k.organization = ?1 \
             AND (k.created_at, k.id) > (?2, ?3) ORDER BY k.created_at, k.id LIMIT ?4"
        );
        self.read(|connection| {
            let number = match organization_id {
                None => Some(INSTALLATION),
                Some(id) => self.organization(connection, id)?,
            };
            let (created_at, id) = position(after);
            let parameters = params![number, created_at, id, rows_wanted(limit)];
            let found = query(connection, &sql, parameters, |row| {
                key(row, organization_id)
            })?;
            Ok(Listed::of(found, limit, |found| {
                (found.created_at, found.id.as_str())
            }))
        })
    }

    async fn count_literal_keys(&self, _proof: OperatorProof) -> Stored<u64> {
        self.read(|connection| {
            let sql = "SELECT count(*) FROM api_keys WHERE literal";
            let counted = query(connection, sql, [], |row| {
                row.get::<_, i64>(0).map_err(failed)
            })?;
            let counted = counted.into_iter().next().unwrap_or_default();
            Ok(u64::try_from(counted).unwrap_or_default())
        })
    }

    async fn set_key_status(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
        status: KeyStatus,
    ) -> Stored<Result<Option<ApiKey>, Refusal>> {
        let (ids, act, id) = (Arc::clone(&self.ids), act.clone(), id.clone());
        self.writer
            .write(move |connection| {
                let Some((number, before)) = find_key(connection, &id)? else {
                    return Ok(Ok(None));
                };
                let operators = operator_keys(connection)?;
                let decided = match before.with_status(status, &operators, act.at) {
                    Ok(decided) => decided,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if decided.changed {
                    execute(
                        connection,
                        "UPDATE api_keys SET status = ?2 WHERE id = ?1",
                        params![id.as_str(), decided.value.status.as_str()],
                    )?;
                    if !decided.value.keeps_sessions() {
                        end_sessions(connection, &id)?;
                    }
                    keep_audit(connection, &ids, number, &act, &decided.audit)?;
                }
                Ok(Ok(Some(decided.value)))
            })
            .await
    }

    async fn remove_key(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
    ) -> Stored<Result<bool, Refusal>> {
        let (ids, act, id) = (Arc::clone(&self.ids), act.clone(), id.clone());
        self.writer
            .write(move |connection| {
                let Some((number, key)) = find_key(connection, &id)? else {
                    return Ok(Ok(false));
                };
                let removal = match key.removal(&operator_keys(connection)?, act.at) {
                    Ok(removal) => removal,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                execute(
                    connection,
                    "DELETE FROM api_keys WHERE id = ?1",
                    [id.as_str()],
                )?;
                end_sessions(connection, &id)?;
                keep_audit(connection, &ids, number, &act, &[removal])?;
                Ok(Ok(true))
            })
            .await
    }

    async fn touch_keys(&self, used: Vec<(ApiKeyId, Timestamp)>) -> Stored<()> {
        self.writer
            .write(move |connection| {
                for (id, at) in &used {
                    execute(
                        connection,
                        "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, ?2), ?2) \
                         WHERE id = ?1",
                        params![id.as_str(), at.as_micros()],
                    )?;
                }
                Ok(())
            })
            .await
    }
}

fn position(after: Option<&ListPosition>) -> (i64, &str) {
    after.map_or((i64::MIN, ""), |after| {
        (after.created_at.as_micros(), after.id.as_str())
    })
}

fn rows_wanted(limit: Limit) -> i64 {
    i64::try_from(limit.get()).unwrap_or(i64::MAX - 1) + 1
}

fn find_organization(connection: &Connection, id: &OrganizationId) -> Stored<Option<Organization>> {
    let sql =
        format!("SELECT {ORGANIZATION} FROM organizations o WHERE o.id = ?1 AND o.removal IS NULL");
    Ok(query(connection, &sql, [id.as_str()], organization)?.pop())
}

fn organization(row: &Row<'_>) -> Stored<Organization> {
    organization_at(row, 0)
}

fn organization_at(row: &Row<'_>, column: usize) -> Stored<Organization> {
    Ok(Organization {
        id: parsed(row, column, OrganizationId::parse)?,
        name: row.get(column + 1).map_err(failed)?,
        created_at: timestamp(row, column + 2)?,
        rate_limit_rpm: row.get(column + 3).map_err(failed)?,
        status: parsed(row, column + 4, OrganizationStatus::parse)?,
        switches: OrganizationSwitches {
            enrollment_links: parsed(row, column + 5, EnrollmentLinks::parse)?,
            data_controls: parsed(row, column + 6, DataControlsApproval::parse)?,
        },
        gateway_policy: optional(row, column + 7, gateway_policy::decode)?.unwrap_or_default(),
    })
}
