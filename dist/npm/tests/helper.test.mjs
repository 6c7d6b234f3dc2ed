// What each part of the helper promises, asked of a real server, under node:test.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { RollcallError, startRollcall } from "rollcall-server";

const BAN = { type: "ban", reason: "high_harm" };
let rollcall;
before(async () => (rollcall = await startRollcall()));
after(() => rollcall.stop());

const create = (tenant, name = "Ana", server = rollcall) => server.call("POST", "/v1/user_profiles", tenant.apiKey, { name });
const ban = async (tenant) => rollcall.operator("POST", `/user_profiles/${(await create(tenant)).id}/enforcement_actions`, BAN);

test("each tenant is an organization of its own", async () => {
  const [one, other] = await Promise.all([rollcall.tenant("one"), rollcall.tenant("other")]);
  await create(one);
  assert.deepEqual((await rollcall.call("GET", "/v1/user_profiles?beta=true", other.apiKey)).data, []);
  assert.equal((await rollcall.operator("GET", `/organizations/${one.organizationId}`)).name, "one");
});

test("the official SDK takes a tenant", async () => {
  const { baseURL, apiKey } = await rollcall.tenant();
  const client = new Anthropic({ baseURL, apiKey });
  const made = await client.beta.userProfiles.create({ name: "Ana" });
  assert.equal((await client.beta.userProfiles.retrieve(made.id)).name, "Ana");
});

test("the clock moves, stops and shows the real time again", async () => {
  const noon = new Date("2026-03-15T12:00:00Z");
  assert.deepEqual(await rollcall.clock.stopAt(noon), noon);
  assert.equal((await rollcall.clock.advance("1h30m")).toISOString(), "2026-03-15T13:30:00.000Z");
  assert.equal((await rollcall.clock.advance(60_000)).toISOString(), "2026-03-15T13:31:00.000Z");
  assert.match((await create(await rollcall.tenant())).created_at, /^2026-03-15T13:31:00/);
  await rollcall.clock.real();
  assert.ok(Math.abs((await rollcall.clock.now()) - Date.now()) < 60_000);
});

test("a fault strikes as often as it was ordered", async () => {
  const tenant = await rollcall.tenant();
  await rollcall.faults.add({ status: 529, times: 2 });
  assert.deepEqual((await rollcall.faults.pending()).map((fault) => fault.times), [2]);
  for (const _ of [1, 2]) {
    await assert.rejects(create(tenant), (error) => error instanceof RollcallError && error.status === 529 && error.errorType === "overloaded_error");
  }
  await create(tenant);
  await rollcall.faults.add({ dropConnection: true });
  await rollcall.faults.clear();
  await create(tenant);
});

test("webhooks arrive verified, also for a test that waits before they come", async () => {
  const tenant = await rollcall.tenant();
  const webhooks = await tenant.webhooks();
  const waiting = webhooks.next();
  const action = await ban(tenant);
  assert.equal((await waiting).event.data.enforcement_action_id, action.id);
  await rollcall.operator("POST", `/enforcement_actions/${action.id}/resolve`, {});
  const resolved = await webhooks.next();
  assert.equal(resolved.event.data.type, "user_profile.enforcement_action_resolved");
  const opened = new Anthropic({ apiKey: "unused" }).beta.webhooks.unwrap(resolved.body, { headers: resolved.headers, key: webhooks.secret });
  assert.equal(opened.id, resolved.event.id);
  assert.equal(webhooks.deliveries.length, 2);
  await webhooks.stop();
});

test("what is not signed with the secret is refused", async () => {
  const webhooks = await (await rollcall.tenant()).webhooks();
  const headers = { "webhook-id": "whe_forged", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA" };
  assert.equal((await fetch(webhooks.url, { method: "POST", headers, body: "{}" })).status, 401);
  await assert.rejects(webhooks.next({ timeout: 1 }), /whe_forged is not signed/);
  await webhooks.stop();
});

test("requests show what a client sent", async () => {
  await create(await rollcall.tenant());
  const [{ method, path }] = await rollcall.requests();
  assert.deepEqual({ method, path }, { method: "POST", path: "/v1/user_profiles" });
});

test("a refusal names the request and the reason", async () => {
  await assert.rejects(rollcall.operator("GET", "/organizations/nobody"), /GET \/operator\/v1\/organizations\/nobody: 404/);
});

test("options reach the server, the project's settings do not, and reset takes tenants away", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "rollcall-npm-tests-"));
  writeFileSync(join(cwd, "rollcall.toml"), "max_connections = 'many'\n");
  writeFileSync(join(cwd, "seed.ndjson"), '{"type":"user_profile","id":"uprof_ana","name":"Ana"}\n');
  process.env.ROLLCALL_DEV_API_KEY = "from the environment";
  const server = await startRollcall({ options: ["--seed", "seed.ndjson"], cwd }).finally(() => delete process.env.ROLLCALL_DEV_API_KEY);
  assert.match(server.apiKey, /^sk-rollcall-api01-/);
  assert.equal((await server.operator("GET", "/user_profiles/uprof_ana")).name, "Ana");
  const tenant = await server.tenant();
  await server.reset();
  await assert.rejects(create(tenant, "Ana", server), { status: 401 });
  await server.stop();
  await server.stop();
  await assert.rejects(server.clock.now(), /ECONNREFUSED/);
});

test("a server that cannot start says why", async () => {
  await assert.rejects(startRollcall({ options: ["--seed", "nowhere.ndjson"] }), /nowhere\.ndjson/);
});

test("a process that stops nothing ends all the same", () => {
  const program = 'import { startRollcall } from "rollcall-server"; await (await (await startRollcall()).tenant()).webhooks(); console.log("over")';
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd: import.meta.dirname, encoding: "utf8", timeout: 30_000 });
  assert.deepEqual([ended.stdout, ended.status], ["over\n", 0], ended.stderr);
});
