// Every page for everybody: axe finds nothing to complain of, in light and dark; a phone shows it without sideways
// scrolling; and whoever has no script or no mouse gets everything done.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CONSOLE_PAGES, PORTAL_PAGES, REFERENCE_PAGES, SIGN_IN_PAGES, fillApplication, pagesLeftOut } from "./pages.mjs";
import { assertAccessible } from "./support/accessible.mjs";
import { PEOPLE, linkFor, startRegistry } from "./support/registry.mjs";
import { scene, withBrowser } from "./support/scene.mjs";

let registry;

withBrowser({ windowless: true });
before(async () => {
  registry = await startRegistry();
});
after(() => registry?.stop());

const home = () => registry;

test("every page of the router is among those that are walked", () => assert.deepEqual(pagesLeftOut(), []));

for (const { name, go } of [...PORTAL_PAGES, ...REFERENCE_PAGES, ...SIGN_IN_PAGES]) {
  test(`everybody can use ${name}`, scene(home, {}, async (visit) => {
    await go(visit, registry);
    await assertAccessible(visit);
  }));
}
for (const { name, go } of CONSOLE_PAGES) {
  test(`everybody can use ${name}`, scene(home, { operator: true }, async (visit) => {
    await go(visit, registry);
    await assertAccessible(visit);
  }));
}

test("without a script a person gets through the whole portal", scene(home, { javaScript: false, phone: true }, async (person) => {
  const link = await linkFor(registry, PEOPLE.checked);
  await person.open(link);
  await person.follow("Apply");
  await person.press("Continue");
  assert.match(await person.text(), /Please check the following/);
  await fillApplication(person, { name: "Sofia Novák" });
  await person.press("Continue");
  await person.press("Change");
  await person.fill("Full name", "Sofia Marques");
  await person.press("Continue");
  assert.match(await person.text(), /Sofia Marques/);
  await person.press("Send application");
  assert.match(await person.text(), /Under review/);

  await person.page.getByRole("checkbox", { name: /^I am the person/ }).check();
  await person.press("Start the identity check");
  assert.match(await person.text(), /Identity check under review/);
}));

test("without a script an operator reads and decides", scene(home, { javaScript: false }, async (operator) => {
  await operator.signIn(registry.operatorKey);
  await operator.follow("Profiles");
  await operator.fill("Name begins with", "Ana");
  await operator.press("Search");
  const name = await operator.page.getByRole("cell").getByRole("link").first().innerText();
  await operator.follow(name);
  assert.equal(await operator.heading(), name);

  await operator.follow("Applications");
  await operator.follow("Chiara Rossi, CERT Porto");
  await operator.press("Approve");
  assert.match(await operator.text(), /Approved\. The profile is active in the program\./);
  await operator.follow("Next waiting application");
  assert.match(await operator.text(), /Tomasz Kowalski/);
  await operator.fill("Note to the end user (optional)", "Not this time.");
  await operator.press("Reject …");
  assert.match(await operator.text(), /Not this time\./);
  await operator.press("Reject");
  assert.match(await operator.text(), /Rejected\./);

  await operator.open(`/console/profiles/${PEOPLE.banned}`);
  await operator.press("End it (High harm)");
  await operator.press("End the action");
  assert.match(await operator.text(), /The action has ended\./);
  await operator.press("Sign out");
  assert.equal(await operator.heading(), "Sign in");
}));

test("a keyboard alone gets through the whole portal", scene(home, {}, async (person) => {
  const { page } = person;
  const keyboard = keyboardOf(page);
  await person.open(await linkFor(registry, PEOPLE.new));
  await keyboard.to("Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(new URL(page.url()).hash, "#content");
  await keyboard.to("Apply");
  await person.going(() => page.keyboard.press("Enter"));

  await keyboard.to("Continue");
  await page.keyboard.press("Enter");
  assert.match(await keyboard.where(), /^Please check the following/, "what is wrong is where the keyboard is");
  await keyboard.to("Full name");
  await page.keyboard.press("Enter");
  assert.equal(await keyboard.where(), "Full name", "a link in the list of errors leads to its field");
  await page.keyboard.type("Amara Okafor");
  for (const [field, text] of [["Organization", "CERT Lagos"], ["Role", "Analyst"], ["Intended use", "Detections for our own network."]]) {
    await keyboard.to(field);
    await page.keyboard.type(text);
  }
  await keyboard.to(/^I will use this access/);
  await page.keyboard.press("Space");
  await keyboard.back(/^Testing/);
  await page.keyboard.press("Space");
  await keyboard.to("Continue");
  await person.going(() => page.keyboard.press("Enter"));

  assert.match(await person.text(), /Amara Okafor/);
  await keyboard.to("Send application");
  await person.going(() => page.keyboard.press("Enter"));
  assert.match(await person.text(), /Under review/);
}));

/** Somebody who has only a keyboard, and sees where it is. */
function keyboardOf(page) {
  const where = () => page.evaluate(() => {
    const focused = document.activeElement;
    return (focused.labels?.[0] ?? focused).innerText.split("\n")[0].trim();
  });
  const step = async (key, name) => {
    for (let steps = 0; steps < 40; steps += 1) {
      await page.keyboard.press(key);
      const here = await where();
      const outline = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return document.activeElement === document.body ? "page" : outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      });
      assert.ok(outline, `it does not show that the keyboard is at ${here}`);
      if (typeof name === "string" ? here === name : name.test(here)) return;
    }
    assert.fail(`${key} does not lead to ${name}`);
  };
  return { where, to: (name) => step("Tab", name), back: (name) => step("Shift+Tab", name) };
}
