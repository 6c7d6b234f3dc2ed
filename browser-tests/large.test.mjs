// An operator's day with ten thousand people, on both engines: a file of them is checked and imported, somebody is found by an
// e-mail address, lists are walked there and back, applications are decided one by one and several at once. What is seen on the
// way can be used by everybody, on a desk and on a phone.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { assertAccessible } from "./support/accessible.mjs";
import { FAMILY, GIVEN, linkFor } from "./support/registry.mjs";
import { ENGINES, sendForm, startRollcall } from "./support/rollcall.mjs";
import { visiting, withBrowser } from "./support/scene.mjs";

const PEOPLE = 10_000;
const BAD = 10;

const addressOf = (number) => `${GIVEN[number % GIVEN.length]}.${number}@example.com`.toLowerCase();
const hashOf = (address) => createHash("sha256").update(`pepper ${address}`).digest("hex");
const nameOf = (number) => `${GIVEN[(number * 7) % GIVEN.length]} ${FAMILY[(number * 5) % FAMILY.length]}`;

/** A CSV as another system writes it, a few lines of which are bad. */
function people() {
  const lines = ["name,external_user_details.reference_id,external_user_details.email_hash,external_user_details.country,metadata.plan"];
  for (let number = 0; number < PEOPLE; number += 1) {
    const country = number % (PEOPLE / BAD) === 17 ? "Utopia" : ["DE", "PT", "SE", "FR", "PL"][number % 5];
    lines.push(`"${nameOf(number)}",acct_${number},${hashOf(addressOf(number))},${country},${number % 3 ? "team" : ""}`);
  }
  return Buffer.from(lines.join("\r\n"));
}

withBrowser({ windowless: true });

for (const [name, engine] of Object.entries(ENGINES)) {
  describe(name, () => {
    let rollcall;

    before(async () => {
      rollcall = await startRollcall({ engine, clock: null, settings: 'email_hash_scheme = "sha256"\nemail_hash_prefix = "pepper "\n' });
    });
    after(() => rollcall?.stop());

    const visit = (what, options, body) => visiting(`large ${name} ${what}`, rollcall, { operator: true, ...options }, body);
    /** What the operator sees here, held against everybody's needs; the operator then goes on at a desk. */
    const assertUsable = async (operator) => {
      await assertAccessible(operator, { onPhones: true });
      await operator.page.emulateMedia({ colorScheme: "light" });
      await operator.page.setViewportSize({ width: 1280, height: 800 });
    };

    test(`${name}: a file is checked and imported`, () => visit("import", {}, async (operator) => {
      operator.context.setDefaultTimeout(120_000);
      const choose = () => operator.page.getByLabel("File", { exact: true }).setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: people() });
      await operator.open("/console/profiles");
      await operator.follow("Import");
      await operator.page.getByLabel("Organization of lines that name none").selectOption(rollcall.organizationId);
      await choose();
      await operator.press("Check the file");
      assert.match(await operator.text(), /people\.csv\s+9,990 new\s+0 replaced\s+10 left out/);
      assert.equal(await operator.page.getByRole("row").count(), BAD + 1);
      await assertUsable(operator);
      await choose();
      await operator.press("Import");
      assert.match(await operator.text(), /9,990 new\s+0 replaced\s+10 left out/);
      await assertUsable(operator);
      await operator.follow("To the profiles");
      assert.match(await operator.text(), /9,990 in all/);
    }));

    test(`${name}: whatever is known of a person leads there`, () => visit("search", {}, async (operator) => {
      await operator.open("/console");
      const find = async (text) => {
        await operator.fill("Find anything", text);
        await operator.press("Find");
      };
      await find(`  ${addressOf(4_321).toUpperCase()} `);
      assert.equal(await operator.heading(), nameOf(4_321));
      assert.ok(!operator.page.url().includes("example"));
      const { pathname } = new URL(operator.page.url());
      for (const text of [pathname.split("/").at(-1), "acct_4321", hashOf(addressOf(4_321))]) {
        await operator.open("/console/audit");
        await find(text);
        assert.equal(new URL(operator.page.url()).pathname, pathname, text);
      }
      await find("ana");
      assert.equal(await operator.page.getByRole("cell", { name: "the beginning of its name" }).count(), 20);
      await assertUsable(operator);
      await operator.follow("All that were found by their name");
      assert.equal(await operator.page.getByLabel("Name begins with").inputValue(), "ana");
      await find("nobody@example.com");
      assert.match(await operator.text(), /an e-mail address, by its hash/);
      await assertUsable(operator);
    }));

    test(`${name}: lists are walked there and back without a script`, () => visit("lists", { javaScript: false }, async (operator) => {
      await operator.open("/console/profiles");
      const here = () => operator.page.getByRole("table").innerText();
      const pages = [await here()];
      for (let page = 1; page <= 4; page += 1) {
        await operator.follow("Next page");
        pages.push(await here());
      }
      assert.equal(new Set(pages).size, 5);
      for (const page of pages.slice(0, -1).reverse()) {
        await operator.follow("Previous page");
        assert.equal(await here(), page);
      }
      assert.equal(await operator.page.getByRole("link", { name: "Previous page" }).count(), 0);
      await operator.follow("Refresh every 30 s");
      assert.equal(await operator.page.locator("meta[http-equiv=refresh]").getAttribute("content"), "30");
      await operator.follow("Stop refreshing");
      assert.equal(await operator.page.locator("meta[http-equiv=refresh]").count(), 0);
    }));

    test(`${name}: a list in the middle can be used by everybody`, () => visit("middle", {}, async (operator) => {
      await operator.open("/console/profiles");
      await operator.follow("Next page");
      await operator.follow("Next page");
      await assertUsable(operator);
      await operator.open(operator.page.url().replace(/page_..../, "page_AAAA"));
      assert.equal(await operator.heading(), "No such page of the list");
      await assertUsable(operator);
      await operator.follow("To its first page");
      assert.equal(await operator.heading(), "Profiles");
    }));

    test(`${name}: the reason of a ban is what a phone shows first`, () => visit("ban", { phone: true }, async (operator) => {
      const { id } = await rollcall.sdk().userProfiles.create({ name: "Ingrid Sørensen", external_user_details: { country: "SE" } });
      await rollcall.operator("POST", `/user_profiles/${id}/enforcement_actions`, { type: "ban", reason: "high_harm" });
      await operator.open(`/console/profiles/${id}`);
      const top = async (locator) => (await locator.boundingBox()).y;
      const reason = await top(operator.page.getByText("High harm").first());
      assert.ok(reason < await top(operator.page.getByRole("heading", { name: "Fields" })), "the fields come first");
      assert.ok(reason < 844, `it is ${reason} pixels down`);
      assert.equal(await operator.page.getByLabel("The profile as JSON").isVisible(), false);
      await assertUsable(operator);
    }));

    test(`${name}: applications are decided one after the other, and several at once`, () => visit("applications", {}, async (operator) => {
      for (const number of [1, 2, 3, 4]) {
        const { id } = await rollcall.sdk().userProfiles.create({ name: nameOf(number) });
        const answer = await sendForm(await linkFor(rollcall, id), {
          step: "send", program: "cyber", tiers: "a", full_name: `${nameOf(number)} ${number}`, organization: "CERT Porto", role: "Analyst", intended_use: "Triage.", agreement: "yes",
        });
        assert.equal(answer.status, 303);
      }
      await operator.open("/console/enrollments");
      assert.match(await operator.text(), /4 in all/);
      await assertUsable(operator);
      for (const number of [2, 3]) await operator.page.getByRole("checkbox", { name: new RegExp(`^Choose ${nameOf(number)} ${number}`) }).check();
      await operator.fill("Note to each end user (optional)", "Welcome.");
      await operator.press("Approve …");
      assert.equal(await operator.heading(), "Approve 2 applications?");
      await assertUsable(operator);
      await operator.press("Approve them");
      assert.equal(await operator.heading(), "2 approved");
      await assertUsable(operator);
      await operator.follow("Next waiting application");
      assert.match(await operator.text(), /What do you need\?\s+Defense/);
      await operator.press("Approve");
      await assertUsable(operator);
      await operator.follow("Next waiting application");
      await operator.press("Reject …");
      await operator.press("Reject");
      assert.match(await operator.text(), /Nobody else is waiting\./);
      const { data } = await rollcall.operator("GET", "/enrollments");
      const outcomes = data.map(({ submitted, status, note }) => `${submitted.full_name.at(-1)} ${status} ${note}`).sort();
      assert.deepEqual(outcomes, ["1 approved null", "2 approved Welcome.", "3 approved Welcome.", "4 rejected null"]);
    }));
  });
}
