// The inference stub as the npm SDK meets it: whole and streamed, with a profile and without, every refusal as its typed
// error.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const { TEST_API_BASE_URL, ROLLCALL_SDK_API_KEY, ROLLCALL_SDK_OPERATOR_KEY, ROLLCALL_SDK_RESULTS } = process.env;
const BILLING = "user-profiles-billing-2026-10-01";
const GOOD_DAY = { model: "claude-stub", max_tokens: 64, messages: [{ role: "user", content: "Good day" }] };
const client = new Anthropic({ baseURL: TEST_API_BASE_URL, apiKey: ROLLCALL_SDK_API_KEY, maxRetries: 0 });

const results = {};
async function check(title, body) {
  try {
    await body();
    results[title] = null;
  } catch (error) {
    results[title] = String(error?.message ?? error);
    console.error(`${title}: ${error?.stack ?? error}`);
  }
}

async function operator(method, path, body) {
  const answer = await fetch(`${TEST_API_BASE_URL}/operator/v1${path}`, {
    method,
    headers: { "x-api-key": ROLLCALL_SDK_OPERATOR_KEY, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path} answered ${answer.status}`);
  return answer.json();
}

async function refused(promise, type, status, kind, code) {
  const error = await Promise.resolve(promise).then(
    () => assert.fail(`was accepted, expected ${status}`),
    (error) => error,
  );
  assert.ok(error instanceof type, `${error?.constructor?.name}: ${error}`);
  assert.deepEqual([error.status, error.error?.error?.type, error.error?.error?.details?.error_code], [status, kind, code]);
}
const denied = (promise, code) => refused(promise, Anthropic.PermissionDeniedError, 403, "permission_error", code);
const malformed = (promise, code) => refused(promise, Anthropic.BadRequestError, 400, "invalid_request_error", code);

const profile = (await client.beta.userProfiles.create({ name: "Ana" })).id;
const { organization_id } = await operator("GET", `/user_profiles/${profile}`);
const policy = (members) => operator("POST", `/organizations/${organization_id}/gateway_policy`, members);
const named = (more = {}) => client.messages.create({ ...GOOD_DAY, user_profile_id: profile, ...more });
let text;

await check("a message", async () => {
  const message = await client.messages.create(GOOD_DAY);
  text = message.content[0].text;
  assert.deepEqual([message.role, message.stop_reason, message.usage.input_tokens], ["assistant", "end_turn", 3]);
  assert.equal((await client.messages.countTokens({ model: "m", messages: GOOD_DAY.messages })).input_tokens, 3);
});
await check("a stream", async () => {
  const pieces = [];
  const stream = client.messages.stream({ ...GOOD_DAY, user_profile_id: profile }).on("text", (piece) => pieces.push(piece));
  const message = await stream.finalMessage();
  assert.deepEqual([pieces.join(""), message.content[0].text, message.stop_reason], [text, text, "end_turn"]);
  assert.ok(pieces.length > 1);
});
await check("an unknown profile", async () => {
  await malformed(client.messages.create({ ...GOOD_DAY, user_profile_id: "uprof_nobody" }), "user_profile_not_found");
  await malformed(client.messages.create({ ...GOOD_DAY, user_profile_id: "uprof_nobody", stream: true }), "user_profile_not_found");
});
await check("no profile where one must be named", async () => {
  await policy({ missing: "deny" });
  await malformed(client.messages.create(GOOD_DAY), "user_profile_required");
  await policy({ missing: "allow" });
});
await check("banned and back", async () => {
  const ban = await operator("POST", `/user_profiles/${profile}/enforcement_actions`, { type: "ban", reason: "high_harm" });
  await denied(named(), "user_profile_banned");
  await denied(named({ stream: true }), "user_profile_banned");
  await operator("POST", `/enforcement_actions/${ban.id}/resolve`);
  assert.equal((await named()).content[0].text, text);
});
const billed = (more) =>
  client.beta.messages.create({ ...GOOD_DAY, billing_policy: { type: "billing_policy", bill_to: "user_profile" }, betas: [BILLING], ...more });
for (const [state, status, kind, code] of [
  ["not_linked", 403, "permission_error", "user_profile_billing_not_authorized"],
  ["unlinked", 403, "permission_error", "user_profile_billing_not_authorized"],
  ["not_billable", 403, "permission_error", "user_profile_not_billable"],
  ["unavailable", 402, "billing_error", "linked_organization_billing_unavailable"],
  ["limit_reached", 402, "billing_error", "linked_organization_spend_limit_reached"],
]) {
  await check(`billing ${state}`, async () => {
    await operator("PUT", `/dev/user_profiles/${profile}/billing`, { state });
    await refused(billed({ user_profile_id: profile }), Anthropic.APIError, status, kind, code);
  });
}
await check("billing linked", async () => {
  await operator("PUT", `/dev/user_profiles/${profile}/billing`, { state: "linked" });
  assert.equal((await billed({ user_profile_id: profile })).role, "assistant");
  await malformed(billed({}), "user_profile_required");
});

writeFileSync(ROLLCALL_SDK_RESULTS, JSON.stringify({ tests: results }));
process.exit(Object.values(results).some(Boolean) ? 1 : 0);
