// Every delivery is taken by the npm package `standardwebhooks`, and nothing that was changed on its way.

import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { TEST_API_BASE_URL, ROLLCALL_SDK_API_KEY, ROLLCALL_SDK_OPERATOR_KEY, ROLLCALL_SDK_RESULTS } = process.env;
const results = {};
const check = (name, holds, seen = "") => {
  results[name] = holds ? null : `does not hold: ${seen}`;
  if (!holds) console.error(`${name}: ${results[name]}`);
};

const waiting = [];
const arrived = [];
const receiver = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const delivery = { headers: request.headers, body: Buffer.concat(chunks).toString() };
  response.writeHead(204).end();
  const next = waiting.shift();
  if (next) next(delivery);
  else arrived.push(delivery);
});
await new Promise((listening) => receiver.listen(0, "127.0.0.1", listening));
const nextDelivery = () =>
  arrived.length
    ? Promise.resolve(arrived.shift())
    : Promise.race([
        new Promise((resolve) => waiting.push(resolve)),
        new Promise((_, reject) => setTimeout(() => reject(new Error("nothing arrived within 10 s")), 10_000).unref()),
      ]);

async function call(method, path, key, body) {
  const headers = { "x-api-key": key, "content-type": "application/json", "anthropic-version": "2026-10-21", "anthropic-beta": "webhooks-2026-10-07" };
  const answer = await fetch(TEST_API_BASE_URL + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
const admin = (method, path, body) => call(method, `/v1/organizations/webhooks${path}`, ROLLCALL_SDK_API_KEY, body);
const operator = (method, path, body) => call(method, `/operator/v1${path}`, ROLLCALL_SDK_OPERATOR_KEY, body);

function refuses(secret, headers, body) {
  try {
    new Webhook(secret).verify(body, headers);
    return false;
  } catch {
    return true;
  }
}

function opens(name, secret, { headers, body }) {
  let event;
  try {
    event = new Webhook(secret).verify(body, headers);
  } catch (error) {
    return check(`${name}: taken`, false, error);
  }
  check(`${name}: taken`, event.id === headers["webhook-id"], body);
  const seconds = Number(headers["webhook-timestamp"]);
  check(`${name}: changed body refused`, refuses(secret, headers, body.replace("event", "tneve")));
  check(`${name}: changed id refused`, refuses(secret, { ...headers, "webhook-id": "whe_0" }, body));
  check(`${name}: changed timestamp refused`, refuses(secret, { ...headers, "webhook-timestamp": String(seconds + 1) }, body));
  check(`${name}: changed signature refused`, refuses(secret, { ...headers, "webhook-signature": `v1,${"A".repeat(43)}=` }, body));
}

for (const { id } of (await admin("GET", "")).data) await admin("DELETE", `/${id}`);
const enabled_events = ["user_profile.enforcement_action_opened", "user_profile.enforcement_action_resolved", "user_profile.program_status_updated"];
const endpoint = await admin("POST", "", { url: `http://127.0.0.1:${receiver.address().port}/hooks`, enabled_events });
const organization_id = (await operator("GET", "/organizations")).data[0].id;
const profile = "uprof_webhooks";
await operator("PUT", `/user_profiles/${profile}`, { organization_id });

const action = await operator("POST", `/user_profiles/${profile}/enforcement_actions`, { type: "restriction", reason: "high_harm" });
opens("opened", endpoint.signing_secret, await nextDelivery());
await operator("POST", `/enforcement_actions/${action.id}/resolve`);
opens("resolved", endpoint.signing_secret, await nextDelivery());
await operator("PUT", `/user_profiles/${profile}/programs/cyber`, { status: "active" });
opens("program", endpoint.signing_secret, await nextDelivery());
const { signing_secret } = await admin("POST", `/${endpoint.id}/regenerate_signing_secret`);
await operator("POST", `/webhook_endpoints/${endpoint.id}/test`);
const last = await nextDelivery();
opens("after the replacement", signing_secret, last);
check("after the replacement: old secret refused", refuses(endpoint.signing_secret, last.headers, last.body));
check("nothing else arrived", arrived.length === 0);

receiver.closeAllConnections();
receiver.close();
writeFileSync(ROLLCALL_SDK_RESULTS, JSON.stringify({ tests: results }));
process.exitCode = Object.values(results).some(Boolean) ? 1 : 0;
