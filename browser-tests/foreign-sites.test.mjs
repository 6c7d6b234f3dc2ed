// Other sites: they can send none of our forms, put none of our pages into a frame, and learn nothing by asking.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { routesForPeople } from "./pages.mjs";
import { linkFor } from "./support/registry.mjs";
import { sendForm, startRollcall } from "./support/rollcall.mjs";
import { scene, withBrowser } from "./support/scene.mjs";

let rollcall;
let profile;
let evil;

withBrowser();
before(async () => {
  rollcall = await startRollcall();
  profile = (await rollcall.sdk().userProfiles.create({ name: "Ana Ferreira" })).id;
  evil = await startSite();
});
after(async () => {
  await rollcall?.stop();
  await evil?.stop();
});

const home = () => rollcall;

/** A site that serves whatever page it was last given, under a name that is another site and one that only is another origin. */
async function startSite() {
  let page = "";
  const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(page));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  return {
    serve: (html) => (page = html),
    origins: { "another site": `http://localhost:${port}`, "another port": `http://127.0.0.1:${port}` },
    stop() {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}

/** Every form of ours: where it is sent and with what. */
async function forms() {
  const link = await linkFor(rollcall, profile);
  const console = (path, fields) => ({ address: `${rollcall.url}/console${path}`, fields });
  return [
    console("/organizations", { name: "Evil" }),
    console(`/organizations/${rollcall.organizationId}`, { do: "hold", confirmed: "yes" }),
    console(`/profiles/${profile}/programs`, { do: "set", name: "cyber", status: "active" }),
    console(`/profiles/${profile}/actions`, { type: "ban", reason: "high_harm", confirmed: "yes" }),
    console("/requests/ga/delete_user_profile", { key: "api", headers: "anthropic-version: 2023-06-01", "path.user_profile_id": profile }),
    console("/development", { do: "reset", confirmed: "yes" }),
    console("/sign-out", {}),
    { address: link, fields: { step: "send", program: "cyber", tiers: "a", full_name: "E", organization: "E", role: "E", intended_use: "E", agreement: "yes" } },
  ];
}

/** All that the forms could have changed. */
async function state() {
  const { data: organizations } = await rollcall.operator("GET", "/organizations");
  return { organizations, profile: await rollcall.operator("GET", `/user_profiles/${profile}`) };
}

for (const kind of ["another site", "another port"]) {
  test(`no form of ours can be sent from ${kind}`, scene(home, { operator: true }, async (visit) => {
    const before = await state();
    for (const { address, fields } of await forms()) {
      const inputs = Object.entries(fields).map(([name, value]) => `<input type=hidden name="${name}" value="${value}">`);
      evil.serve(`<!doctype html><form method=post action="${address}">${inputs.join("")}<button>Win a prize</button></form>`);
      await visit.open(evil.origins[kind]);
      const [answer] = await Promise.all([
        visit.page.waitForResponse((response) => response.request().method() === "POST"),
        visit.press("Win a prize"),
      ]);
      assert.ok([403, 303].includes(answer.status()), `${address} was answered with ${answer.status()}`);
      // From another site the session does not even come along; then the answer is the way to sign in.
      if (answer.status() === 303) assert.match(answer.headers().location, /^\/console\/sign-in/);
    }
    assert.deepEqual(await state(), before);
    await visit.open("/console");
    assert.equal(await visit.heading(), "Overview", "the operator is still signed in");
    visit.forgive((happening) => Object.values(evil.origins).some((origin) => happening.startsWith(`a request to ${origin}/`)));
  }));

  test(`no page of ours can be framed by ${kind}`, scene(home, { operator: true }, async (visit) => {
    for (const address of [`${rollcall.url}/console`, await linkFor(rollcall, profile)]) {
      evil.serve(`<!doctype html><h1>Evil</h1><iframe src="${address}"></iframe>`);
      await visit.open(evil.origins[kind]);
      const [frame] = visit.page.mainFrame().childFrames();
      assert.equal(await frame.locator("main").count(), 0, `${address} is shown in a frame`);
    }
    visit.forgive((happening) => /a request to|frame-ancestors|X-Frame-Options|chrome-error/.test(happening));
  }));
}

test("every form of the console is refused with a forged origin, with the session in hand", scene(home, { operator: true }, async (visit) => {
  const [{ name, value }] = await visit.context.cookies();
  const cookie = `${name}=${value}`;
  const before = await state();
  const routes = routesForPeople().filter(({ template, posts }) => posts && template.startsWith("/console"));
  assert.ok(routes.length > 10, "the router's routes are found");
  const forged = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site", origin: rollcall.url },
    { "sec-fetch-site": "same-site", origin: rollcall.url },
    {},
  ];
  for (const { template } of routes) {
    const address = rollcall.url + template.replace("{organization_id}", rollcall.organizationId).replace("{user_profile_id}", profile).replace(/\{.*?\}/g, "x");
    for (const headers of forged) {
      const answer = await sendForm(address, { confirmed: "yes", do: "hold" }, { cookie, ...headers });
      assert.equal(answer.status, 403, `${template} with ${JSON.stringify(headers)}`);
    }
  }
  assert.deepEqual(await state(), before);
  // The same with what a browser says of our own pages gets through: it is the origin that was refused.
  const ours = await sendForm(`${rollcall.url}/console/organizations`, { name: "Ours" }, { cookie, origin: rollcall.url });
  assert.equal(ours.status, 303);
}));
