// A registry with a past, the same each time it is made: organizations, a few hundred profiles that came over three
// months, applications and decisions, actions, deliveries that arrived and that did not, and an hour of requests. The pages
// are read, measured and photographed on it.

import { createHash } from "node:crypto";
import { NOW, sendForm, startRollcall, until } from "./rollcall.mjs";
import { startReceiver } from "./receiver.mjs";

const START = "2025-12-12T08:30:00Z";
const EVENTS = ["user_profile.enforcement_action_opened", "user_profile.enforcement_action_resolved", "user_profile.program_status_updated"];

const PROGRAMS = `
email_hash_scheme = "sha256"
[[programs]]
name = "cyber"
title = "Cybersecurity"
description = "For people who defend and test systems for a living. Once admitted, you can use capabilities for security work that are otherwise held back."
tiers = [
  { name = "a", title = "Defense", description = "Analyzing malware, triaging vulnerabilities, writing detections." },
  { name = "b", title = "Testing", description = "Penetration tests and exercises on systems you are authorized to test." },
  { name = "c", title = "Research", description = "Developing exploits and offensive techniques under controlled conditions." },
]

[[programs]]
name = "life-sciences"
title = "Life sciences"
description = "For laboratories and clinics that work under supervision."
fields = [
  { name = "full_name", label = "Full name", kind = "text", required = true },
  { name = "setting", label = "Where do you work?", kind = "choice", options = ["University", "Hospital", "Company"], required = true },
  { name = "supervision", label = "Who supervises your work?", hint = "An ethics board, an authority, a safety officer.", kind = "long_text", required = false },
  { name = "agreement", label = "What I have written is true.", kind = "agreement", required = true },
]
`;

export const GIVEN = ["Ana", "Mateus", "Ingrid", "Yusuf", "Chiara", "Tomasz", "Amara", "Jonas", "Leïla", "Björn", "Sofia", "Kenji", "Zoë", "Piotr", "Nadia", "Émile"];
export const FAMILY = ["Ferreira", "Lindqvist", "Demir", "Rossi", "Kowalski", "Okafor", "Weber", "Haddad", "Sørensen", "Marques", "Tanaka", "Novák"];
const ORGANIZATIONS = ["Ponte Segura, Lda.", "Fjord Research AS", "Atelier Numérique du Bas-Rhin et Associés", "Red Team Cooperative"];

/** Starts a server and furnishes it. `links` makes what a person opens; each is new when it is asked for. */
export async function startRegistry() {
  const rollcall = await startRollcall({ clock: START, settings: PROGRAMS });
  const receivers = [await startReceiver(), await startReceiver({ status: 503 })];
  const registry = {
    ...rollcall,
    /** What the receivers would be called elsewhere. */
    aliases: { [receivers[0].url]: "https://hooks.nordlicht.example/rollcall", [receivers[1].url]: "https://crm.nordlicht.example/in" },
    async stop() {
      await rollcall.stop();
      for (const receiver of receivers) await receiver.stop();
    },
  };
  try {
    await furnish(registry, receivers);
  } catch (error) {
    await registry.stop();
    throw error;
  }
  return registry;
}

async function furnish(registry, [receiver, broken]) {
  const { operator, organizationId, workspaceId } = registry;
  await operator("POST", `/organizations/${organizationId}`, { name: "Nordlicht Analytics GmbH", rate_limit_rpm: 6000 });
  const organizations = [organizationId];
  for (const [place, name] of ORGANIZATIONS.entries()) {
    await at(registry, `2025-12-${15 + place}T09:00:00Z`);
    organizations.push((await operator("POST", "/organizations", { name })).id);
  }
  registry.organizations = organizations;
  await operator("POST", `/organizations/${organizations[4]}`, { status: "on_hold" });
  await operator("POST", `/organizations/${organizationId}/workspaces`, { name: "Staging" });
  const gateway = { name: "Gateway", kind: "api", workspace_id: workspaceId, expires_at: "2026-12-31T00:00:00Z" };
  await operator("POST", `/organizations/${organizationId}/api_keys`, gateway);
  const leaked = await operator("POST", `/organizations/${organizationId}/api_keys`, { name: "Leaked in a build log", kind: "api" });
  await operator("POST", `/api_keys/${leaked.id}`, { status: "disabled" });
  await operator("POST", "/operator_keys", { name: "Kenji Tanaka", role: "reviewer" });
  await operator("POST", "/operator_keys", { name: "Auditors", role: "viewer", expires_at: "2026-12-31T00:00:00Z" });

  await at(registry, "2026-03-13T08:00:00Z");
  const profiles = records(organizations);
  const isPast = ({ created_at }) => created_at < "2026-03-13";
  await importAll(registry, profiles.filter(isPast));
  registry.endpoints = {};
  const drafts = [
    { name: "Billing", url: receiver.url, enabled_events: EVENTS, description: "Closes and opens accounts." },
    // Few events: an endpoint that fails often is left to rest, and then nothing is due that could be waited for.
    { name: "Legacy CRM", url: broken.url, enabled_events: EVENTS.slice(1, 2) },
  ];
  for (const draft of drafts) {
    registry.endpoints[draft.name] = (await registry.administrator("POST", "", draft)).id;
    await advance(registry, "1m");
  }
  await decide(registry);
  await hourOfRequests(registry);
  await at(registry, NOW);
  await importAll(registry, profiles.filter((profile) => !isPast(profile)));
}

async function importAll({ operator }, profiles) {
  const { failed, errors } = await operator("POST", "/user_profiles/import", profiles.map((line) => JSON.stringify(line)).join("\n"));
  if (failed) throw new Error(`profiles were not imported: ${JSON.stringify(errors)}`);
}

const at = (registry, now) => registry.setClock({ now });

/** Moves the clock once nothing that is due is still to be delivered. */
async function advance(registry, time) {
  const { now } = await registry.operator("GET", "/dev/clock");
  await until("what is due is delivered", async () => {
    const { data } = await registry.operator("GET", "/webhook_deliveries?status=pending&limit=100");
    return data.every(({ attempts, next_attempt_at }) => attempts.length && Date.parse(next_attempt_at) > Date.parse(now));
  });
  await registry.setClock({ advance: time });
}

/** Profiles. They come slowly at first and faster later, most of them to the first organization. */
function records(organizations) {
  const profiles = [];
  const end = Date.parse("2026-03-15T07:00:00Z");
  for (let number = 0; number < 340; number += 1) {
    const name = `${GIVEN[(number * 7) % GIVEN.length]} ${FAMILY[(number * 5) % FAMILY.length]}`;
    const age = 88 * Math.pow(1 - number / 340, 1.4);
    const created_at = new Date(end - Math.round(age * 1440) * 60_000).toISOString();
    profiles.push({
      type: "user_profile",
      organization_id: organizations[[0, 0, 0, 1, 0, 2, 1, 0, 3, 0][number % 10]],
      id: id(number),
      name: number % 17 === 5 ? null : name,
      created_at,
      updated_at: created_at,
      access_type: number % 3 ? "application" : "passthrough",
      metadata: number % 4 ? { plan: "team", region: number % 2 ? "eu-north" : "eu-west" } : {},
      external_user_details: {
        country: ["DE", "PT", "SE", "FR", "PL"][number % 5],
        entity_type: number % 6 ? "individual" : "business",
        reference_id: `acct_${88_000 + number}`,
        email_hash: createHash("sha256").update(addressOf(number)).digest("hex"),
        onboarded_at: number % 2 ? created_at : null,
      },
    });
  }
  return profiles;
}

/** The e-mail address of an imported profile, which nobody stores. */
const addressOf = (number) => `person${number}@example.com`;

/** The id of an imported profile. */
const id = (number) => `uprof_011CZkZCu8hGbp5mYRQg${2000 + number}`;

/** The imported profiles that something happens to, and those that a visitor may do something with. */
export const PEOPLE = { admitted: id(300), declined: id(301), applied: id(302), restricted: id(304), checking: id(309), checked: id(299), banned: id(307), new: id(310) };

async function decide(registry) {
  const { operator } = registry;
  const statuses = ["active", "active", "pending", "active", "rejected"];
  for (const [place, status] of statuses.entries()) {
    await operator("PUT", `/user_profiles/${id(290 + place)}/programs/${place % 2 ? "life-sciences" : "cyber"}`, { status });
  }
  await operator("PUT", `/user_profiles/${PEOPLE.admitted}/programs/efs`, {
    status: "active",
    features: { data_retention_exemption: "active", cmek: "active", storage: "inactive" },
  });
  const application = (name, intended_use) => ({
    step: "send", program: "cyber", tiers: "a", full_name: name, organization: "CERT Porto", role: "Analyst", intended_use, agreement: "yes",
  });
  const waiting = [
    [PEOPLE.declined, "Jonas Weber", "Everything."],
    [PEOPLE.admitted, "Ana Ferreira", "Triage of samples that our members send us.\n\nWe work for public hospitals; the ministry has authorized it in writing."],
    [PEOPLE.applied, "Leïla Haddad", "Detections for our own network."],
    [id(312), "Chiara Rossi", "A yearly exercise at our bank, with its board's consent."],
    [id(314), "Tomasz Kowalski", "Malware analysis for a national team."],
  ];
  for (const [profile, name, use] of waiting) {
    const answer = await sendForm(await linkFor(registry, profile), application(name, use));
    if (answer.status !== 303) throw new Error(`an application was answered with ${answer.status}`);
    await advance(registry, "3h");
  }
  const { data } = await operator("GET", "/enrollments?status=pending");
  const of = (profile) => data.find((enrollment) => enrollment.user_profile_id === profile).id;
  registry.enrollments = { waiting: of(PEOPLE.applied), decided: of(PEOPLE.declined) };
  await operator("POST", `/enrollments/${of(PEOPLE.admitted)}/approve`, { tiers: { a: "active" }, requirements: { human_review: true }, note: "Welcome." });
  await operator("POST", `/enrollments/${of(PEOPLE.declined)}/reject`, { note: "Please say whose systems these are, and who has authorized the work." });
  await advance(registry, "1h");

  const restrict = (profile, more) => operator("POST", `/user_profiles/${profile}/enforcement_actions`, { type: "restriction", ...more });
  const past = await restrict(PEOPLE.restricted, { reason: "usage_policy_violation" });
  await advance(registry, "2h");
  await operator("POST", `/enforcement_actions/${past.id}/resolve`);
  await restrict(PEOPLE.restricted, { reason: "fraud_or_abuse", action: "verify", expires_at: "2026-04-01T00:00:00Z" });
  const check = await restrict(PEOPLE.checking, { reason: "fraud_or_abuse", action: "verify" });
  await operator("POST", `/enforcement_actions/${check.id}/identity_check`, { state: "submitted" });
  await restrict(PEOPLE.checked, { reason: "fraud_or_abuse", action: "verify" });
  await operator("POST", `/user_profiles/${PEOPLE.banned}/enforcement_actions`, { type: "ban", reason: "high_harm" });

  // What cannot be delivered is tried three times in all; then it has failed.
  for (let attempt = 1; attempt <= 3; attempt += 1) await advance(registry, "3m");
  // Of this type there is one event, which one endpoint took and the other did not.
  const { data: deliveries } = await operator("GET", "/webhook_deliveries?limit=100");
  const resolved = (wanted) => deliveries.find(({ event_type, status }) => event_type === EVENTS[1] && status === wanted).id;
  registry.deliveries = { delivered: resolved("delivered"), failed: resolved("failed") };
}

/** The hour before now, as the overview draws it. */
async function hourOfRequests(registry) {
  const platform = registry.sdk();
  for (let minute = 1; minute <= 59; minute += 2) {
    await at(registry, `2026-03-15T09:${String(minute).padStart(2, "0")}:00Z`);
    for (let number = 0; number < 1 + ((minute * 7) % 5); number += 1) await platform.userProfiles.list({ limit: 1 });
    if (minute % 9 === 0) await platform.userProfiles.retrieve("uprof_unknown").catch(() => {});
    if (minute === 41) {
      await registry.operator("POST", "/dev/faults", { status: 529, times: 2 });
      for (let number = 0; number < 2; number += 1) await platform.userProfiles.list().catch(() => {});
    }
  }
}

/** A new link for a profile of the first organization, or of the platform whose key is given. */
export async function linkFor(registry, profile, key) {
  const { url } = await registry.sdk(key).userProfiles.actionURLs.create(profile, { action: { type: "enroll_end_user" } });
  return url;
}
