// Walks every user-profile method that the npm SDK offers, in every dialect it can be made to speak, and holds the
// answers against the contract. The package ships no tests of its own.
//
// Each check has a name and either holds or says what was seen instead; sdk-tests/run counts them.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const { TEST_API_BASE_URL, ROLLCALL_SDK_API_KEY, ROLLCALL_SDK_OPERATOR_KEY, ROLLCALL_SDK_RESULTS, ROLLCALL_SDK_WORKSPACE } = process.env;
const SEEDED = "uprof_011CZkZCu8hGbp5mYRQgUmz9";
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/;
const ID = /^uprof_01[1-9A-HJ-NP-Za-km-z]{22}$/;
const DETAILS = ["account_status", "country", "email_hash", "entity_type", "name_hash", "onboarded_at", "reference_id"];

// A retry would hide the first answer.
const client = new Anthropic({ baseURL: TEST_API_BASE_URL, apiKey: ROLLCALL_SDK_API_KEY, maxRetries: 0 });

const results = {};
let place = "";
async function check(name, body) {
  const title = `${place}: ${name}`;
  assert.ok(!(title in results), `two checks are called ${title}`);
  try {
    await body();
    results[title] = null;
  } catch (error) {
    results[title] = String(error?.message ?? error);
    console.error(`${title}: ${error?.stack ?? error}`);
  }
}

async function reset() {
  const answer = await fetch(`${TEST_API_BASE_URL}/operator/v1/dev/reset`, {
    method: "POST",
    headers: { "x-api-key": ROLLCALL_SDK_OPERATOR_KEY },
  });
  assert.ok(answer.ok, `reset answered ${answer.status}`);
}

async function refused(promise, status, type, message) {
  const error = await promise.then(
    () => assert.fail(`was accepted, expected ${status}`),
    (error) => error,
  );
  assert.equal(error.status, status, String(error));
  assert.equal(error.error?.type, "error");
  assert.equal(error.error?.error?.type, type);
  assert.equal(error.error?.request_id, error.headers.get("request-id"));
  if (message) assert.match(error.error.error.message, message);
  return error;
}

// The dialects. `speak` is how a caller makes the SDK send it: parameters beside the method's own, then options.
const legacy = { namespace: client.beta.userProfiles, path: "beta.userProfiles", enrollment: true, granted: "trust_grants" };
const dialects = [
  {
    ...legacy,
    name: "2026-03-24",
    // Older than the SDK's default, so it replaces the header instead of adding to it.
    speak: [{}, { headers: { "anthropic-beta": "user-profiles-2026-03-24" } }],
    fields: ["id", "created_at", "metadata", "relationship", "trust_grants", "type", "updated_at", "external_id", "name"],
    sent: { relationship: "resold", external_id: "acct_88213" },
    stored: { relationship: "resold", external_id: "acct_88213" },
    fresh: { relationship: "external", external_id: null },
    foreign: [["access_type", "application"], ["external_user_onboarded_at", "2025-01-20T11:45:00Z"], ["external_user_details", { country: "DE" }]],
  },
  {
    ...legacy,
    name: "2026-08-18",
    speak: [{}, {}],
    fields: ["id", "created_at", "metadata", "name", "trust_grants", "type", "updated_at", "access_type", "external_id", "external_user_onboarded_at"],
    sent: { access_type: "passthrough", external_id: "acct_88213", external_user_onboarded_at: "2025-01-20T12:45:00+01:00" },
    stored: { access_type: "passthrough", external_id: "acct_88213", external_user_onboarded_at: "2025-01-20T11:45:00Z" },
    fresh: { access_type: "application", external_id: null, external_user_onboarded_at: null },
    foreign: [["relationship", "resold"], ["external_user_details", { country: "DE" }]],
  },
  {
    ...legacy,
    name: "2026-09-04",
    speak: [{ betas: ["user-profiles-2026-09-04"] }, {}],
    fields: ["id", "created_at", "metadata", "name", "trust_grants", "type", "updated_at", "access_type", "external_user_details"],
    ...withDetails(),
    foreign: [["relationship", "resold"], ["external_id", "acct_88213"], ["external_user_onboarded_at", "2025-01-20T11:45:00Z"]],
  },
  {
    namespace: client.userProfiles,
    path: "userProfiles",
    name: "ga",
    speak: [{}, {}],
    enrollment: false,
    granted: "programs",
    fields: [
      "id", "access_type", "created_at", "enforcement_actions", "enforcement_status", "external_user_details",
      "metadata", "name", "programs", "type", "updated_at",
    ],
    ...withDetails(),
    foreign: [["relationship", "resold"], ["external_id", "acct_88213"], ["external_user_onboarded_at", "2025-01-20T11:45:00Z"]],
  },
];

function withDetails() {
  const given = { account_status: "active", country: "DE", entity_type: "business", name_hash: "sha256:5d1c0b7e", reference_id: "acct_88213" };
  const none = Object.fromEntries(DETAILS.map((name) => [name, null]));
  return {
    sent: { access_type: "passthrough", external_user_details: { ...given, onboarded_at: "2025-01-20T12:45:00+01:00" } },
    stored: { access_type: "passthrough", external_user_details: { ...none, ...given, onboarded_at: "2025-01-20T11:45:00Z" } },
    fresh: { access_type: "application", external_user_details: none },
  };
}

function api({ namespace, speak: [params, options] }) {
  return {
    create: (body = {}) => namespace.create({ ...body, ...params }, options),
    retrieve: (id) => namespace.retrieve(id, params, options),
    update: (id, body = {}) => namespace.update(id, { ...body, ...params }, options),
    list: (query = {}) => namespace.list({ ...query, ...params }, options),
    delete: (id) => namespace.delete(id, params, options),
    createEnrollmentURL: (id) => namespace.createEnrollmentURL(id, params, options),
    actionURL: (id, body) => namespace.actionURLs.create(id, { ...body, ...params }, options),
  };
}

function wellFormed(dialect, profile) {
  assert.deepEqual(Object.keys(profile), dialect.fields);
  assert.equal(profile.type, "user_profile");
  assert.match(profile.created_at, TIME);
  assert.match(profile.updated_at, TIME);
  if (profile.external_user_details) assert.deepEqual(Object.keys(profile.external_user_details), DETAILS);
}

function holds(profile, expected) {
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(profile[name], value, `${name}: ${JSON.stringify(profile[name])}`);
}

function validURL(answer, type) {
  assert.deepEqual(Object.keys(answer), ["expires_at", "type", "url"]);
  assert.equal(answer.type, type);
  assert.match(answer.expires_at, TIME);
  const left = Date.parse(answer.expires_at) - Date.now();
  assert.ok(left > 58 * 60_000 && left <= 60 * 60_000 + 5_000, `expires in ${left} ms`);
  assert.match(new URL(answer.url).pathname, /^\/user-profiles\/enrollment\/[A-Za-z0-9_-]{43}$/);
}

async function walk(dialect) {
  place = dialect.name;
  const profiles = api(dialect);
  const nothingGranted = dialect.granted === "programs" ? { cyber: null, efs: null } : {};
  const nothingOpen = dialect.name === "ga" ? { enforcement_actions: [], enforcement_status: "unrestricted" } : {};
  let id = "uprof_missing";
  let stored;
  await reset();

  await check("create with nothing", async () => {
    const profile = await profiles.create();
    wellFormed(dialect, profile);
    assert.match(profile.id, ID);
    assert.equal(profile.created_at, profile.updated_at);
    holds(profile, { ...dialect.fresh, ...nothingOpen, name: null, metadata: {}, [dialect.granted]: nothingGranted });
  });
  await check("create with everything", async () => {
    const profile = await profiles.create({ ...dialect.sent, name: "Nordlicht Analytics GmbH", metadata: { region: "eu-north", plan: "team" } });
    id = profile.id;
    stored = profile;
    wellFormed(dialect, profile);
    holds(profile, { ...dialect.stored, name: "Nordlicht Analytics GmbH", metadata: { plan: "team", region: "eu-north" } });
    assert.deepEqual(Object.keys(profile.metadata), ["plan", "region"]);
  });
  for (const [field, value] of dialect.foreign) {
    await check(`create refuses ${field}`, () => refused(profiles.create({ [field]: value }), 400, "invalid_request_error", new RegExp(`^${field}`)));
    await check(`update refuses ${field}`, () => refused(profiles.update(id, { [field]: value }), 400, "invalid_request_error", new RegExp(`^${field}`)));
  }

  await check("retrieve", async () => assert.deepEqual(await profiles.retrieve(id), stored));
  await check("retrieve the seeded profile", async () => {
    const profile = await profiles.retrieve(SEEDED);
    wellFormed(dialect, profile);
    holds(profile, { name: "Example User", created_at: "2026-03-15T10:00:00Z", metadata: {} });
    assert.equal(profile.external_id ?? profile.external_user_details?.reference_id, "user_12345");
    assert.equal(profile[dialect.granted].cyber.status, "active");
  });
  await check("retrieve an unknown profile", async () => {
    const error = await refused(profiles.retrieve("uprof_011CZkZCu8hGbp5mYRQgUmz8"), 404, "not_found_error");
    assert.ok(error instanceof Anthropic.NotFoundError);
  });

  await check("update merges metadata", async () => {
    const profile = await profiles.update(id, { metadata: { seats: "40", region: "" } });
    wellFormed(dialect, profile);
    holds(profile, { ...dialect.stored, metadata: { plan: "team", seats: "40" }, name: "Nordlicht Analytics GmbH", created_at: stored.created_at });
    assert.ok(profile.updated_at > stored.updated_at, "updated_at did not move");
    stored = profile;
  });
  await check("update with nothing", async () => {
    holds(await profiles.update(id), { updated_at: stored.updated_at, metadata: stored.metadata });
    holds(await profiles.update(id, { name: null }), { updated_at: stored.updated_at, name: stored.name });
  });
  await check("update refuses an empty name", () => refused(profiles.update(id, { name: "" }), 400, "invalid_request_error", /^name: /));
  await check("update an unknown profile", () => refused(profiles.update("uprof_unknown"), 404, "not_found_error"));

  await check("list", async () => {
    const page = await profiles.list();
    assert.equal(page.next_page, null);
    assert.equal(page.data.length, 3);
    assert.equal(page.data.at(-1).id, SEEDED);
    for (const profile of page.data) wellFormed(dialect, profile);
  });
  await check("list page by page", async () => {
    for (let n = 0; n < 6; n++) await profiles.create({ name: `Customer ${6 - n}` });
    const all = (await profiles.list({ limit: 100 })).data.map((profile) => profile.id);
    assert.equal(all.length, 9);
    for (const limit of [1, 2, 3, 4, 9]) {
      const seen = [];
      for await (const profile of profiles.list({ limit })) seen.push(profile.id);
      assert.deepEqual(seen, all, `limit ${limit}`);
      const back = [];
      for await (const profile of profiles.list({ limit, order: "asc" })) back.push(profile.id);
      assert.deepEqual(back, all.toReversed(), `limit ${limit}, ascending`);
    }
    // Nine divide evenly by three: no empty page at the end.
    let pages = 0;
    for await (const page of (await profiles.list({ limit: 3 })).iterPages()) {
      assert.equal(page.data.length, 3);
      pages += 1;
    }
    assert.equal(pages, 3);
  });
  await check("list by name", async () => {
    for (const order of ["asc", "desc"]) {
      const names = [];
      for await (const profile of profiles.list({ limit: 2, order_by: "name", order })) names.push(profile.name);
      const named = [1, 2, 3, 4, 5, 6].map((n) => `Customer ${n}`).concat("Example User", "Nordlicht Analytics GmbH");
      assert.deepEqual(names, [...(order === "asc" ? named : named.toReversed()), null], order);
    }
  });
  await check("list refuses a cursor of another order", async () => {
    const page = await profiles.list({ limit: 1 });
    assert.match(page.next_page, /^page_[A-Za-z0-9_-]+$/);
    await refused(profiles.list({ order: "asc", page: page.next_page }), 400, "invalid_request_error", /^(page|order): /);
  });
  for (const [query, message] of [
    [{ limit: 0 }, /^limit: /],
    [{ limit: 101 }, /^limit: /],
    [{ order: "up" }, /^order: /],
    [{ order_by: "id" }, /^order_by: /],
    [{ page: "page" }, /^page: /],
    [{ offset: 1 }, /^offset: /],
  ]) {
    await check(`list refuses ${JSON.stringify(query)}`, () => refused(profiles.list(query), 400, "invalid_request_error", message));
  }
  if (dialect.name === "ga") {
    await check("list by enforcement status", async () => {
      const ids = async (...enforcement_status) => {
        const found = [];
        for await (const profile of profiles.list({ enforcement_status })) found.push(profile.id);
        return found.length;
      };
      assert.equal(await ids("unrestricted"), 9);
      assert.equal(await ids("banned", "restricted"), 0);
      await refused(profiles.list({ enforcement_status: ["blocked"] }), 400, "invalid_request_error", /^enforcement_status/);
    });
  } else {
    await check("list refuses the enforcement filter", () =>
      refused(profiles.list({ enforcement_status: ["unrestricted"] }), 400, "invalid_request_error", /^enforcement_status/));
  }

  await check("action URL", async () => validURL(await profiles.actionURL(id, { action: { type: "enroll_end_user" } }), "user_profile_action_url"));
  await check("action URL refuses another action", () =>
    refused(profiles.actionURL(id, { action: { type: "remove" } }), 400, "invalid_request_error", /^action\.type: /));
  if (dialect.enrollment) {
    await check("enrollment URL", async () => validURL(await profiles.createEnrollmentURL(id), "enrollment_url"));
  } else {
    await check("enrollment URL needs a legacy beta", () =>
      refused(client.post(`/v1/user_profiles/${id}/enrollment_url`), 400, "invalid_request_error", /^enrollment_url: /));
  }

  await check("delete", async () => {
    const answer = await profiles.delete(id);
    assert.deepEqual(Object.entries(answer), [["id", id], ["type", "user_profile_deleted"]]);
  });
  await check("nothing is left of it", async () => {
    await refused(profiles.retrieve(id), 404, "not_found_error");
    await refused(profiles.update(id), 404, "not_found_error");
    await refused(profiles.delete(id), 404, "not_found_error");
    await refused(profiles.actionURL(id, { action: { type: "enroll_end_user" } }), 404, "not_found_error");
    assert.ok(!(await profiles.list({ limit: 100 })).data.some((profile) => profile.id === id));
  });
}

// The end customer's keys and buckets, to which no dialect applies.
async function walkDataControls() {
  place = "data controls";
  const { dataControls } = client.beta.userProfiles.providers.google;
  const pending = { effective_external_key_id: null, error: null, type: "pending" };
  let fresh;
  await reset();
  const report = (where, body) =>
    fetch(`${TEST_API_BASE_URL}/operator/v1/user_profiles/${SEEDED}/data_controls/${where}`, {
      method: "POST",
      headers: { "x-api-key": ROLLCALL_SDK_OPERATOR_KEY, "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  await check("retrieve", async () => {
    fresh = await dataControls.retrieve(SEEDED);
    assert.deepEqual(Object.keys(fresh), ["bucket_label_value", "cmek", "storage", "type", "updated_at", "user_profile_id"]);
    assert.match(fresh.bucket_label_value, /^[0-9a-f]{32}$/);
    assert.deepEqual([fresh.cmek, fresh.storage], [{ retired_keys: [], type: "disabled" }, { retired_buckets: [], type: "disabled" }]);
    assert.deepEqual([fresh.updated_at, fresh.user_profile_id], ["2026-03-15T10:00:00Z", SEEDED]);
  });
  await check("update with nothing", async () => assert.deepEqual(await dataControls.update(SEEDED, {}), fresh));
  await check("update gives keys and buckets", async () => {
    const bucket = { bucket_name: "their-bucket", project_number: "123456789012" };
    const controls = await dataControls.update(SEEDED, {
      cmek: { type: "enabled", external_key_ids: { us: "ekey_1", eu: null } },
      storage: { type: "enabled", buckets: { sg: bucket } },
    });
    assert.deepEqual(controls.cmek.external_key_ids, { us: "ekey_1" });
    assert.deepEqual(controls.cmek.status.us, pending);
    assert.deepEqual(Object.keys(controls.storage.status), ["us", "eu", "sg", "global"]);
    assert.deepEqual(controls.storage.buckets.sg, { ...bucket, kms_key_name: null, location: null, project_id: null });
    assert.deepEqual(await dataControls.retrieve(SEEDED), controls);
  });
  await check("what the operator says is shown", async () => {
    assert.equal((await report("cmek/us", { status: "active" })).status, 200);
    const { us } = (await dataControls.retrieve(SEEDED)).cmek.status;
    assert.deepEqual([us.type, us.effective_external_key_id], ["active", "ekey_1"]);
    assert.match(us.validated_at, TIME);
  });
  await check("a replaced key retires when the new one is active", async () => {
    const replaced = await dataControls.update(SEEDED, { cmek: { type: "enabled", external_key_ids: { us: "ekey_2" } } });
    assert.deepEqual(replaced.cmek.status.us, { ...pending, effective_external_key_id: "ekey_1" });
    await report("cmek/us", { status: "active" });
    const { retired_keys } = (await dataControls.retrieve(SEEDED)).cmek;
    assert.deepEqual(retired_keys.map((key) => [key.external_key_id, key.region]), [["ekey_1", "us"]]);
    assert.match(retired_keys[0].expires_at, TIME);
  });
  await check("update refuses what does not fit", async () => {
    await refused(dataControls.update(SEEDED, { cmek: { type: "enabled", external_key_ids: { us: null } } }), 400, "invalid_request_error", /^cmek\.external_key_ids: /);
    await refused(dataControls.update(SEEDED, { cmek: { type: "enabled", external_key_ids: { mars: "ekey_1" } } }), 400, "invalid_request_error", /mars/);
    await refused(dataControls.update("uprof_unknown", {}), 404, "not_found_error");
  });
  await check("an organization that is not approved gets the SDK's own error", async () => {
    const { response } = await dataControls.retrieve(SEEDED).withResponse();
    const organization = response.headers.get("anthropic-organization-id");
    const approve = (data_controls) =>
      fetch(`${TEST_API_BASE_URL}/operator/v1/organizations/${organization}`, {
        method: "POST",
        headers: { "x-api-key": ROLLCALL_SDK_OPERATOR_KEY, "content-type": "application/json" },
        body: JSON.stringify({ data_controls }),
      });
    assert.equal((await approve("not_approved")).status, 200);
    const error = await refused(dataControls.update(SEEDED, { cmek: { type: "enabled" } }), 400, "invalid_request_error");
    assert.equal(error.error.error.details.error_code, "cmek_not_approved");
    assert.equal((await approve("open")).status, 200);
  });
  await check("disabled", async () => {
    const off = await dataControls.update(SEEDED, { cmek: { type: "disabled" }, storage: { type: "disabled" } });
    assert.equal(off.cmek.type, "disabled");
    assert.deepEqual(off.cmek.retired_keys.map((key) => key.external_key_id), ["ekey_1", "ekey_2"]);
    assert.equal(off.storage.retired_buckets[0].bucket_name, "their-bucket");
    assert.equal(off.bucket_label_value, fresh.bucket_label_value);
  });
}

for (const dialect of dialects) await walk(dialect);
await walkDataControls();

place = "all";
await check("every method of the SDK is walked", () => {
  const methods = (resource) => Object.getOwnPropertyNames(Object.getPrototypeOf(resource)).filter((name) => name !== "constructor").sort();
  assert.deepEqual(methods(client.userProfiles), ["create", "delete", "list", "retrieve", "update"]);
  assert.deepEqual(methods(client.beta.userProfiles), ["create", "createEnrollmentURL", "delete", "list", "retrieve", "update"]);
  const below = (resource) => Object.keys(resource).filter((name) => !name.startsWith("_")).sort();
  assert.deepEqual(below(client.userProfiles), ["actionURLs"]);
  assert.deepEqual(below(client.beta.userProfiles), ["actionURLs", "providers"]);
  for (const resource of [client.userProfiles, client.beta.userProfiles]) assert.deepEqual(methods(resource.actionURLs), ["create"]);
  const { providers } = client.beta.userProfiles;
  assert.deepEqual([below(providers), below(providers.google), methods(providers), methods(providers.google)], [["google"], ["dataControls"], [], []]);
  assert.deepEqual(methods(providers.google.dataControls), ["retrieve", "update"]);
});
await check("what one dialect writes, every other reads", async () => {
  await reset();
  for (const writer of dialects) {
    const { id } = await api(writer).create({ ...writer.sent, name: "Ana Ferreira" });
    for (const reader of dialects) {
      const profile = await api(reader).retrieve(id);
      wellFormed(reader, profile);
      assert.equal(profile.name, "Ana Ferreira");
      assert.equal(profile.relationship ?? "resold", "resold", `${writer.name} read in ${reader.name}`);
      assert.equal(profile.access_type ?? "passthrough", "passthrough", `${writer.name} read in ${reader.name}`);
      assert.equal(profile.external_id ?? profile.external_user_details?.reference_id, "acct_88213");
      const onboarded = profile.external_user_onboarded_at ?? profile.external_user_details?.onboarded_at;
      if (writer.name !== "2026-03-24" && reader.name !== "2026-03-24") assert.equal(onboarded, "2025-01-20T11:45:00Z");
    }
  }
});
await check("response headers", async () => {
  for (const dialect of dialects) {
    const { response, request_id } = await api(dialect).retrieve(SEEDED).withResponse();
    assert.match(request_id, /^req_01[1-9A-HJ-NP-Za-km-z]{22}$/);
    assert.equal(response.headers.get("anthropic-workspace-id"), ROLLCALL_SDK_WORKSPACE);
    assert.ok(response.headers.get("anthropic-organization-id"));
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(response.headers.get("cache-control"), "no-store");
  }
});
await check("workspace parameter", async () => {
  for (const namespace of [client.userProfiles, client.beta.userProfiles]) {
    assert.equal((await namespace.retrieve(SEEDED, { workspace_id: ROLLCALL_SDK_WORKSPACE })).id, SEEDED);
    const error = await refused(namespace.retrieve(SEEDED, { workspace_id: "wrkspc_other" }), 403, "permission_error");
    assert.ok(error instanceof Anthropic.PermissionDeniedError);
  }
});
await check("other betas beside the dialect", async () => {
  assert.equal((await client.beta.userProfiles.retrieve(SEEDED, { betas: ["message-batches-2024-09-24"] })).id, SEEDED);
  await refused(client.beta.userProfiles.retrieve(SEEDED, { betas: ["no-such-beta"] }), 400, "invalid_request_error", /`no-such-beta`/);
});
await check("an unknown path", () => refused(client.get("/_stainless_unknown_path"), 404, "not_found_error"));
await check("a wrong key", async () => {
  const stranger = new Anthropic({ baseURL: TEST_API_BASE_URL, apiKey: "not-a-key", maxRetries: 0 });
  const error = await refused(stranger.userProfiles.list(), 401, "authentication_error");
  assert.ok(error instanceof Anthropic.AuthenticationError);
});

writeFileSync(ROLLCALL_SDK_RESULTS, JSON.stringify({ tests: results }));
process.exitCode = Object.values(results).some((fault) => fault !== null) ? 1 : 0;
