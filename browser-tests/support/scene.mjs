// A test in which somebody visits: its visit must stay quiet, and ends with the test; when it fails, what the page looked
// like is kept, and the failure tells where.

import { after, before, test } from "node:test";
import { openBrowser } from "./browser.mjs";

let browser;

/** Call once in a file whose tests visit. */
export function withBrowser() {
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());
}

/**
 * A test with a visit of its own.
 *
 * @param home tells the address of the site once the test runs
 * @param options what kind of visit it is; see `Visit.begin`
 */
export function scene(name, home, options, body) {
  test(name, () => visiting(name, home(), options, body));
}

/** A visit for part of a test. */
export async function visiting(name, home, options, body) {
  const visit = await browser.visit(home, options);
  try {
    await body(visit);
    visit.assertQuiet();
    const departures = browser.departures();
    if (departures.length) throw new Error(`requests were made to other machines: ${departures.join("; ")}`);
  } catch (error) {
    error.stack += `\n    ${await visit.keepEvidence(name)}`;
    throw error;
  } finally {
    await visit.end();
  }
}
