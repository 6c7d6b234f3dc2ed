// Links that do not work (any more): each is answered with its own kind page, which tells nothing about the profile, in the
// time that a link that works takes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fillApplication } from "./pages.mjs";
import { sendForm, startRollcall } from "./support/rollcall.mjs";
import { scene, visiting, withBrowser } from "./support/scene.mjs";

/** What a page for somebody with a dead link must not hold. */
const SECRETS = ["Ana Ferreira", "acct_88213", "eu-north", "sha256:5d1c0b7e", "uprof_", "Nordlicht"];
const ANSWERS = {
  step: "send", program: "cyber", tiers: "a", full_name: "Ana Ferreira", organization: "CERT", role: "Analyst", intended_use: "Triage.", agreement: "yes",
};
/** Far above what chance does to a median, far below a database that is asked or not. */
const SAME_CLASS = 10;
const ROUNDS = 60;

let rollcall;
let elsewhere;

withBrowser();
before(async () => {
  [rollcall, elsewhere] = await Promise.all([startRollcall(), startRollcall()]);
  await rollcall.operator("POST", `/organizations/${rollcall.organizationId}`, { name: "Nordlicht Analytics GmbH" });
});
after(async () => {
  await rollcall?.stop();
  await elsewhere?.stop();
});

const home = () => rollcall;

async function newProfile(server = rollcall) {
  const { id } = await server.sdk().userProfiles.create({
    name: "Ana Ferreira",
    metadata: { region: "eu-north" },
    external_user_details: { reference_id: "acct_88213", name_hash: "sha256:5d1c0b7e" },
  });
  return id;
}

async function newLink(server = rollcall, profile) {
  const { url } = await server.sdk().userProfiles.actionURLs.create(profile ?? (await newProfile(server)), { action: { type: "enroll_end_user" } });
  return url;
}

/** Ways for a link not to work: what makes such a link, and what the person is told. */
const DEAD = {
  expired: {
    async make() {
      const link = await newLink();
      await rollcall.setClock({ advance: "1h" });
      return link;
    },
    status: 410,
    heading: "This link has expired",
  },
  "of a deleted profile": {
    async make() {
      const profile = await newProfile();
      const link = await newLink(rollcall, profile);
      await rollcall.sdk().userProfiles.delete(profile);
      return link;
    },
    status: 410,
    heading: "This link has expired",
  },
  tampered: {
    async make() {
      const link = await newLink();
      return link.slice(0, -2) + (link.at(-2) === "A" ? "B" : "A") + link.at(-1);
    },
    status: 404,
    heading: "This link does not exist",
  },
  "of another server": {
    make: async () => rollcall.url + new URL(await newLink(elsewhere)).pathname,
    status: 404,
    heading: "This link does not exist",
  },
};

for (const [kind, { make, status, heading }] of Object.entries(DEAD)) {
  test(`a link that is ${kind} tells nothing`, scene(home, {}, async (person) => {
    const link = await make();
    assert.equal(await person.open(link), status);
    assert.equal(await person.heading(), heading);
    await assertNothingTold(person, link);
    const sent = await sendForm(link, ANSWERS);
    assert.equal(sent.status, status, "nor is anything taken");
    assert.ok((await sent.text()).includes(heading));
  }));
}

test("a link that was used shows its application and nothing of the profile", scene(home, {}, async (person) => {
  const profile = await newProfile();
  const link = await newLink(rollcall, profile);
  await person.open(link);
  await fillApplication(person, { name: "A. F." });
  await person.press("Continue");
  await person.press("Send application");
  assert.equal(await person.open(link), 200);
  assert.equal(await person.heading(), "Your application");
  await assertNothingTold(person, link, SECRETS.filter((secret) => secret !== "Nordlicht"));
  const again = await sendForm(link, { ...ANSWERS, full_name: "Somebody else" });
  assert.equal(again.status, 409);
  const { data } = await rollcall.operator("GET", "/enrollments");
  assert.deepEqual(data.filter((it) => it.user_profile_id === profile).map((it) => it.submitted.full_name), ["A. F."]);

  await rollcall.setClock({ advance: "1h" });
  assert.equal(await person.open(link), 410);
  assert.equal(await person.heading(), "This link has expired");
  await assertNothingTold(person, link);
}));

async function assertNothingTold(person, link, secrets = SECRETS) {
  const html = await person.page.content();
  for (const secret of [...secrets, new URL(link).pathname.split("/").at(-1)]) assert.ok(!html.includes(secret), `the page tells ${secret}`);
}

test("links that do not work take as long as links that do", async () => {
  const links = { "that works": await newLink() };
  for (const [kind, { make }] of Object.entries(DEAD)) links[kind] = await make();
  // Making the expired one has let the first one expire as well.
  links["that works"] = await newLink();
  const times = Object.fromEntries(Object.keys(links).map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS + 5; round += 1) {
    for (const [kind, link] of Object.entries(links)) {
      const began = performance.now();
      await (await fetch(link)).arrayBuffer();
      // The first rounds warm connections and caches up.
      if (round >= 5) times[kind].push(performance.now() - began);
    }
  }
  const medians = Object.entries(times).map(([kind, took]) => [kind, took.sort((a, b) => a - b)[ROUNDS / 2]]);
  console.log(`median of ${ROUNDS}: ${medians.map(([kind, median]) => `${kind} ${median.toFixed(2)} ms`).join(", ")}`);
  const all = medians.map(([, median]) => median);
  assert.ok(Math.max(...all) < SAME_CLASS * Math.min(...all), "the times are not of one class");
});

test("a portal's first load is small", async (t) => {
  const link = await newLink();
  await visiting(t.name, rollcall, {}, async (person) => {
    const icon = person.context.waitForEvent("requestfinished", (request) => request.url().endsWith(".svg"));
    await person.open(link);
    await icon;
    const sizes = await Promise.all(person.requests.map(async (request) => [new URL(request.url()).pathname.split("/")[1], await request.sizes()]));
    const bytes = sizes.map(([place, { responseHeadersSize, responseBodySize }]) => [place, responseHeadersSize + responseBodySize]);
    const total = bytes.reduce((sum, [, size]) => sum + size, 0);
    console.log(`first load: ${bytes.map(([place, size]) => `${place} ${size}`).join(", ")}; ${total} bytes in all`);
    assert.ok(bytes.length >= 3, "page, style and icon are loaded");
    assert.ok(total < 30_000, `${total} bytes`);
  });
});
