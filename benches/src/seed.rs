//! What lies around profiles after two years: applications, webhook endpoints with their deliveries, an
//! audit trail. Written into the storage itself, in one statement for each table, because asking for a
//! million decisions would take an hour.
//!
//! Everything follows from the profiles, so every machine has the same. Nothing of it is due: a server
//! finds nothing to deliver, to expire or to prune.

use anyhow::Context as _;
use rollcall_scratch_postgres as scratch;

use crate::rollcall::Storage;

/// The endpoint that the largest organization's deliveries are looked at of.
pub(crate) fn endpoint_of(organization: &str) -> String {
    format!("whep_1_{organization}")
}

/// The statements, in the words of one engine.
struct Words {
    /// What a row points at its organization by.
    organization: &'static str,
    bytes: &'static str,
    /// A column that only one engine has, and its value.
    stored_at: [&'static str; 2],
}

const SQLITE: Words = Words {
    organization: "o.number",
    bytes: "x'00'",
    stored_at: ["", ""],
};

const POSTGRESQL: Words = Words {
    organization: "o.id",
    bytes: "'\\x00'::bytea",
    stored_at: ["stored_at, ", "v.created_at, "],
};

/// 2100-01-01, in microseconds: when what waits is due, and when what has ended did, so that a server
/// neither delivers nor prunes.
const LATER: i64 = 4_102_444_800_000_000;

/// Puts it all there. No server may have the storage open.
pub(crate) async fn write(storage: &Storage) -> anyhow::Result<()> {
    match storage {
        Storage::Directory(data) => {
            let file = rusqlite::Connection::open(data.join("rollcall.db"))?;
            for statement in statements(&SQLITE) {
                let done = file.execute_batch(&statement);
                done.with_context(|| format!("running {statement}"))?;
            }
        }
        Storage::Database(url) => {
            let statements = statements(&POSTGRESQL);
            let statements: Vec<_> = statements.iter().map(String::as_str).collect();
            scratch::execute(url, &statements).await;
        }
    }
    Ok(())
}

fn statements(words: &Words) -> Vec<String> {
    let Words {
        organization,
        bytes,
        stored_at: [stored_at, at],
    } = words;
    vec![
        // Everybody in a program once applied for it.
        "INSERT INTO enrollments (organization, id, profile_id, program, status, submitted, \
         submitted_at, decided_at, note) SELECT g.organization, 'enr_' || substr(g.profile_id, 7), \
         g.profile_id, g.program, CASE g.status WHEN 'active' THEN 'approved' ELSE g.status END, \
         '[[\"tiers\",\"a, b\"],[\"full_name\",\"Ana Abe\"],[\"organization\",\"CERT\"]]', \
         g.created_at + 3600000000, \
         CASE g.status WHEN 'pending' THEN NULL ELSE g.created_at + 7200000000 END, NULL \
         FROM profile_programs g"
            .to_owned(),
        "INSERT INTO organization_figures (organization, open_actions, waiting_enrollments) \
         SELECT organization, 0, count(*) FROM enrollments WHERE status = 'pending' \
         GROUP BY organization ON CONFLICT (organization) DO UPDATE \
         SET waiting_enrollments = excluded.waiting_enrollments"
            .to_owned(),
        format!(
            "INSERT INTO webhook_endpoints (id, organization, created_at, updated_at, description, \
             name, url, enabled_events, state, key_id, sealed_secret, failing_since, failures) \
             SELECT 'whep_' || n || '_' || o.id, {organization}, o.created_at, o.created_at, '', \
             'Endpoint ' || n, 'https://hooks.example.com/' || n, \
             'user_profile.program_status_updated', \
             CASE n WHEN 3 THEN 'disabled' ELSE 'enabled' END, 'apikey_bench', {bytes}, \
             CASE n WHEN 2 THEN o.created_at END, CASE n WHEN 2 THEN 3 ELSE 0 END \
             FROM organizations o \
             CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS numbers"
        ),
        "INSERT INTO events (organization, id, type, created_at, profile_id, body) \
         SELECT g.organization, 'whe_' || g.created_at || substr(g.profile_id, 20), \
         'user_profile.program_status_updated', g.created_at, g.profile_id, '{}' \
         FROM profile_programs g"
            .to_owned(),
        format!(
            "INSERT INTO webhook_deliveries (organization, id, endpoint_id, event_id, status, \
             {stored_at}created_at, finished_at, due_at) SELECT v.organization, \
             'whd_' || v.created_at || substr(v.profile_id, 20) || n, 'whep_' || n || '_' || o.id, v.id, \
             CASE v.created_at % 500 WHEN 1 THEN 'failed' WHEN 2 THEN 'canceled' WHEN 3 THEN 'pending' \
             ELSE 'delivered' END, {at}v.created_at, \
             CASE v.created_at % 500 WHEN 3 THEN NULL ELSE {LATER} END, \
             CASE v.created_at % 500 WHEN 3 THEN {LATER} END \
             FROM events v JOIN organizations o ON {organization} = v.organization \
             CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS numbers"
        ),
        "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, target_kind, \
         target_id, details) SELECT p.organization, 'aud_' || p.created_at || substr(p.id, 20), \
         p.created_at, 'api', 'apikey_bench', 'user_profile.created', 'user_profile', p.id, '[]' \
         FROM profiles p WHERE p.created_at % 2 = 0"
            .to_owned(),
    ]
}
