// A test in which somebody visits: its visit must stay quiet, and ends with the test; when it fails, what the page looked
// like is kept, and the failure tells where.

import { after, before } from "node:test";
import { openBrowser } from "./browser.mjs";

let browser;

/** Call once in a file whose tests visit; for the options see `openBrowser`. */
export function withBrowser(options) {
  before(async () => {
    browser = await openBrowser(options);
  });
  after(() => browser?.close());
}

/**
 * The body of a test in which somebody visits.
 *
 * @param home tells the server that is visited, once the test runs
 * @param options what kind of visit it is (see `Visit.begin`); `operator: true` for somebody who is signed in to the console
 */
export function scene(home, options, body) {
  return ({ name }) => visiting(name, home(), options, body);
}

/** A visit for part of a test. */
export async function visiting(name, rollcall, { operator = false, ...options }, body) {
  const signedIn = operator ? { storageState: await sessionAt(rollcall) } : {};
  const visit = await browser.visit(rollcall.url, { ...options, ...signedIn });
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

const sessions = new Map();

/** The cookies of an operator who has signed in. */
async function sessionAt({ url, operatorKey }) {
  if (!sessions.has(url)) {
    const visit = await browser.visit(url);
    await visit.signIn(operatorKey);
    sessions.set(url, await visit.context.storageState());
    await visit.end();
  }
  return sessions.get(url);
}
