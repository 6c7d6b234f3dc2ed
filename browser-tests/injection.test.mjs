// What somebody typed stays text. Every string of injections.json is stored through every field that a page shows; then the
// pages are opened: they show it as it was typed, run nothing, and have the same elements and attributes as with a harmless
// text.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { UNPRINTABLE } from "./pages.mjs";
import { apply, inject, line, programsOf } from "./support/injected.mjs";
import { linkFor } from "./support/registry.mjs";
import { startReceiver } from "./support/receiver.mjs";
import { startRollcall } from "./support/rollcall.mjs";
import { visiting, withBrowser } from "./support/scene.mjs";

const HARMLESS = "Harmless";
const TEXTS = JSON.parse(await readFile(new URL("injections.json", import.meta.url), "utf8"));
/** How many visits go on at the same time. */
const VISITORS = 2;

let rollcall;
let receiver;

withBrowser({ windowless: true });
before(async () => {
  [rollcall, receiver] = await Promise.all([startRollcall(), startReceiver()]);
});
after(async () => {
  await rollcall?.stop();
  await receiver?.stop();
});

/** The pages on which a text of one organization can be seen: where each is, and what is done there. */
const PLACES = {
  organization: { path: (seen) => `/console/organizations/${seen.organization}` },
  "question before a key is disabled": {
    path: (seen) => `/console/organizations/${seen.organization}`,
    act: (visit) => visit.going(() => visit.page.getByRole("button", { name: /^Disable …/ }).first().click()),
  },
  "profile, and how the API shows it": { path: (seen) => `/console/profiles/${seen.profile}?as=ga` },
  application: { path: (seen) => `/console/enrollments/${seen.enrollment}` },
  "webhook endpoint": { path: (seen) => `/console/webhooks/${seen.endpoint}` },
  delivery: { path: (seen) => `/console/deliveries/${seen.delivery}` },
  "search for a profile": { path: (_, text) => `/console/profiles?${new URLSearchParams({ q: `${text}!`, program: text, reference_id: text, email_hash: text })}` },
  // What can be looked for at all depends on the text.
  "search for anything": { path: (_, text) => `/console/search?${new URLSearchParams({ q: `${text}@!` })}`, varies: true },
  "search of the audit trail": { path: (_, text) => `/console/audit?${new URLSearchParams({ target_id: text })}` },
  "a page that does not exist": { path: (_, text) => `/console/profiles/${encodeURIComponent(text)}`, silent: true },
  "portal, status": { path: (seen) => seen.link },
  "portal, start": { path: (seen) => seen.newLink() },
  "portal, errors": { path: (seen) => seen.newLink(), act: fill },
};

/** The lists that show everybody's texts, page after page. */
const LISTS = ["/console", "/console/profiles", "/console/enrollments?status=all", "/console/organizations", "/console/webhooks", "/console/deliveries", "/console/operator_keys", "/console/audit", "/console/search", "/console/import", "/console/export", "/console/development"];

/** Fills a program's form with a text that the server refuses, so that all of it is shown again. */
async function fill(visit, text) {
  for (const field of await visit.page.locator("form input:not([type])").all()) await field.fill(line(text) + UNPRINTABLE);
  await visit.page.locator("form textarea").fill(text);
  for (const box of await visit.page.getByRole("checkbox").all()) await box.check();
  await visit.press("Continue");
}

test("a text stays text in every field and on every page", async (t) => {
  assert.ok(TEXTS.length >= 60, `only ${TEXTS.length} strings`);
  const models = {};
  const kinds = new Set();
  await visiting(t.name, rollcall, { operator: true }, async (visit) => {
    // What others send meanwhile waits for a moment, and a decided application says whether any does: so one always does.
    await apply(rollcall, (await rollcall.sdk().userProfiles.create({ name: HARMLESS })).id, HARMLESS);
    const harmless = await inject(rollcall, HARMLESS, receiver.url);
    for (const [name, place] of Object.entries(PLACES)) models[name] = await look(visit, place, harmless, HARMLESS);
    for (const path of LISTS) {
      for (const kind of (await look(visit, { path: () => path, silent: true })).split("\n")) kinds.add(kind);
    }
  });

  const left = [...TEXTS];
  const visitor = (_, number) => visiting(`${t.name} ${number}`, rollcall, { operator: true }, async (visit) => {
    for (let text = left.shift(); text !== undefined; text = left.shift()) {
      const seen = await inject(rollcall, text, receiver.url);
      for (const [name, place] of Object.entries(PLACES)) {
        const elements = await look(visit, place, seen, text);
        if (place.varies) assert.deepEqual(othersThan(models[name], elements), [], `${name}: elements of another kind, with ${JSON.stringify(text)}`);
        else assert.equal(elements, models[name], `${name}: other elements than with a harmless text, with ${JSON.stringify(text)}`);
        visit.assertQuiet();
      }
    }
  });
  await Promise.all(Array.from({ length: VISITORS }, visitor));

  for (const pager of ["NAV[aria-label class]", "A[class href]", "A[class href rel]", "SPAN[class]"]) kinds.add(pager);
  await visiting(t.name, rollcall, { operator: true }, async (visit) => {
    for (const path of LISTS) {
      for (let next = path; next; next = await visit.page.locator("a[rel=next]").getAttribute("href", { timeout: 1 }).catch(() => null)) {
        const elements = await look(visit, { path: () => next, silent: true });
        assert.deepEqual(elements.split("\n").filter((kind) => !kinds.has(kind)), [], `${next} has other elements than with a harmless text`);
        visit.assertQuiet();
      }
    }
  });
});

test("what the operator's own settings and ids say stays text, too", async (t) => {
  const organizationId = `"><img/src=x/onerror=alert(1)>`;
  const configured = await startRollcall({ settings: programsOf([HARMLESS, ...TEXTS]), organizationId });
  try {
    const profile = await configured.sdk().userProfiles.create({ name: HARMLESS });
    const link = await linkFor(configured, profile.id);
    await visiting(t.name, configured, { operator: true }, async (visit) => {
      // Continuing makes the page's script say what is missing, in the words of the program.
      const form = { path: (number) => `${link}?program=p${number}`, act: (visit) => visit.page.getByRole("button", { name: "Continue" }).click() };
      const model = await look(visit, form, 0, HARMLESS);
      for (const [number, text] of TEXTS.entries()) {
        assert.equal(await look(visit, form, number + 1, text), model, `other elements than with a harmless text, with ${JSON.stringify(text)}`);
        visit.assertQuiet();
      }
      await assertShownTogether(visit, link);
      for (const path of ["/console/organizations", `/console/organizations/${encodeURIComponent(organizationId)}`, `/console/profiles/${profile.id}`, "/console/audit"]) {
        const elements = await look(visit, { path: () => path }, null, organizationId);
        assert.ok(!elements.includes("IMG"), path);
        visit.assertQuiet();
      }
    });
  } finally {
    await configured.stop();
  }
});

/** The elements of kinds that a page with a harmless text has none of. */
function othersThan(model, elements) {
  const kinds = new Set(model.split("\n"));
  return elements.split("\n").filter((kind) => !kinds.has(kind));
}

/** Opens a page, sees that it shows the text as it was typed, and tells its elements with their attributes' names. */
async function look(visit, { path, act, silent = false }, seen, text) {
  await visit.open(await path(seen, text));
  await act?.(visit, text);
  const { elements, shows, elsewhere } = await visit.page.evaluate(describePage, silent ? "" : text);
  assert.ok(shows, `${visit.page.url()} does not show ${JSON.stringify(text)} as it was typed`);
  assert.equal(elsewhere, "", "a page leads somewhere else");
  return elements;
}

/** Holds a page against every text at once. */
async function assertShownTogether(visit, path) {
  await visit.open(path);
  const shown = await visit.page.evaluate(() => document.documentElement.textContent.replace(/\s/gu, ""));
  assert.deepEqual(TEXTS.filter((text) => !shown.includes(text.replace(/\s/gu, ""))), [], `${path} does not show these as they are`);
  visit.assertQuiet();
}

/** What a page consists of; runs in the page. */
function describePage(text) {
  // Pages may lay white space out as they like.
  const squeezed = (text) => text.replace(/[\s\p{Cc}]/gu, "");
  const all = [...document.querySelectorAll("*")];
  const shown = [document.documentElement.textContent, ...all.map((element) => element.value ?? "")].join(" ");
  const addresses = all.flatMap(({ href, src, action }) => [href, src, action]).filter((address) => typeof address === "string" && address);
  return {
    // In any order, because what is as old as something else may stand before or behind it; without the choices of
    // organizations, of which there are more and more, and the times, of which a key gets one more after its first use.
    elements: all
      .map((element) => `${element.tagName}[${element.getAttributeNames().sort().join(" ")}]`)
      .filter((element) => element !== "OPTION[value]" && element !== "TIME[datetime title]")
      .sort()
      .join("\n"),
    shows: squeezed(shown).includes(squeezed(text)),
    elsewhere: addresses.filter((address) => new URL(address).origin !== location.origin).join(" "),
  };
}
