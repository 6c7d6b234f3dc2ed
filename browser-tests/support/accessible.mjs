// Holds pages against axe's rules and a phone's width.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PHONE = { width: 390, height: 844 };

const axe = await readFile(AXE, "utf8");

/**
 * Holds a page against axe in light and dark, and against a phone's width.
 *
 * @param onPhones whether axe looks at it at a phone's width as well
 */
export async function assertAccessible(visit, { onPhones = false } = {}) {
  const { page } = visit;
  assert.equal(await page.locator("h1").count(), 1, "a page has one first heading");
  // What a page refuses the script of its own accord is not refused to the debugger, which brings axe.
  await page.evaluate(axe);
  await assertNoViolation(page, "on a desk");
  await page.setViewportSize(PHONE);
  if (onPhones) await assertNoViolation(page, "on a phone");
  const wider = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const reaches = [...document.querySelectorAll("body *")].filter((it) => it.getBoundingClientRect().right > width + 0.5);
    return document.documentElement.scrollWidth > width ? reaches.map((it) => it.outerHTML.slice(0, 100)) : [];
  });
  assert.deepEqual(wider, [], "a phone has to scroll sideways for these");
}

async function assertNoViolation(page, where) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { preload: false }));
    const told = violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
    assert.deepEqual(told, [], `${where}, in ${colorScheme}`);
  }
}
