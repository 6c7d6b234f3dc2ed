// Debian's Chromium as a person's browser, watched: a visit remembers everything that a page of ours must never do
// (run what somebody typed, be refused something by its own policy, ask another address for anything).

import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** The whole browser, and Debian's build of the same without windows, which opens many pages in a third of the time. */
const CHROMIUM = "/usr/bin/chromium";
const WINDOWLESS = "/usr/bin/chromium-headless-shell";
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // Else what changed of a tile is drawn over what it held, and a card's round corner comes out one of several ways.
  "--disable-partial-raster",
];
/**
 * Whom Chromium calls by itself, whatever it is told: its maker's services. The proxy refuses these too; a page of ours that
 * asked for any of them would be noticed in the page.
 */
const CHROMIUMS_OWN = /^(CONNECT |[A-Z]+ http:\/\/)[a-z0-9-]+\.(google|googleapis|gvt1|gstatic)\.com[:/]/;
/** Where a failed visit's last moments are kept. */
const EVIDENCE = join(tmpdir(), "rollcall-browser-tests");
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };

/**
 * Starts a browser whose every way off this machine leads to a proxy that refuses and remembers.
 *
 * @param windowless whether the build without windows will do
 */
export async function openBrowser({ windowless = false } = {}) {
  const departures = [];
  const proxy = createServer((request, response) => {
    departures.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  proxy.on("connect", (request, socket) => {
    departures.push(`CONNECT ${request.url}`);
    socket.on("error", () => {});
    socket.end("HTTP/1.1 502 Refused\r\n\r\n");
  });
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  // Chromium never asks a proxy for loopback addresses; those requests are watched in the pages.
  const browser = await chromium.launch({
    executablePath: windowless ? WINDOWLESS : CHROMIUM,
    args: [...ARGUMENTS, `--proxy-server=http://127.0.0.1:${proxy.address().port}`],
  });
  return {
    visit: (home, options) => Visit.begin(browser, home, options),
    /** What was asked of other machines, Chromium's own calls aside. */
    departures: () => departures.filter((departure) => !CHROMIUMS_OWN.test(departure)),
    async close() {
      await browser.close();
      proxy.closeAllConnections();
      await new Promise((closed) => proxy.close(closed));
    },
  };
}

/** A person's visit to the site at `home`, with cookies of its own. */
export class Visit {
  /** What must not happen and did. */
  happenings = [];
  /** Every request of the visit's pages. */
  requests = [];

  static async begin(browser, home, { phone = false, dark = false, javaScript = true, ...more } = {}) {
    const visit = new Visit();
    visit.home = home;
    visit.context = await browser.newContext({
      viewport: phone ? PHONE : DESK,
      colorScheme: dark ? "dark" : "light",
      reducedMotion: "reduce",
      javaScriptEnabled: javaScript,
      locale: "en-GB",
      timezoneId: "UTC",
      ...more,
    });
    visit.context.setDefaultTimeout(10_000);
    if (process.env.ROLLCALL_BROWSER_TRACE) await visit.context.tracing.start({ screenshots: true, snapshots: true });
    visit.#watch();
    visit.page = await visit.context.newPage();
    return visit;
  }

  #watch() {
    const told = (what) => this.happenings.push(what);
    this.context.on("request", (request) => {
      this.requests.push(request);
      const address = request.url();
      if (!address.startsWith(`${this.home}/`) && !address.startsWith("about:")) told(`a request to ${address}`);
    });
    this.context.on("response", (response) => {
      const document = response.request().resourceType() === "document";
      if (response.status() >= (document ? 500 : 400)) told(`${response.status()} for ${response.url()}`);
    });
    this.context.on("dialog", (dialog) => {
      told(`a dialog: ${dialog.message()}`);
      return dialog.dismiss();
    });
    this.context.on("weberror", (error) => told(`an error in a page: ${error.error()}`));
    this.context.on("console", (message) => {
      // Chromium reports the status of every page that is not a success; pages that say no are among ours.
      const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of");
      if (message.type() === "error" && !isStatus) told(`in the console: ${message.text()}`);
    });
  }

  /** Opens a page of the site and tells its status. */
  async open(path) {
    const answer = await this.page.goto(path.startsWith("http") ? path : this.home + path);
    return answer.status();
  }

  /** The same person in another tab. */
  async inAnotherTab() {
    const other = Object.create(this);
    other.page = await this.context.newPage();
    return other;
  }

  heading() {
    return this.page.getByRole("heading", { level: 1 }).innerText();
  }

  /** Everything the page says to somebody who reads it. */
  text() {
    return this.page.locator("body").innerText();
  }

  /** Does what leads to another page, and waits until that is there. */
  async going(act) {
    await Promise.all([this.page.waitForEvent("load"), act()]);
  }

  /** Presses a button that sends a form. */
  press(name) {
    return this.going(() => this.page.getByRole("button", { name, exact: true }).click());
  }

  /** Follows the first link of this name, which may be a pattern. */
  follow(name) {
    return this.going(() => this.page.getByRole("link", { name, exact: true }).first().click());
  }

  fill(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text);
  }

  /** Signs in to the console as the operator. */
  async signIn(key) {
    await this.open("/console/sign-in");
    await this.fill("Operator key", key);
    await this.press("Sign in");
    await this.page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  }

  /** Takes back what had to happen in this visit. */
  forgive(isForgiven) {
    this.happenings = this.happenings.filter((happening) => !isForgiven(happening));
  }

  /** Fails if anything has happened that must not. */
  assertQuiet() {
    if (this.happenings.length) throw new Error(`what must not happen: ${this.happenings.splice(0).join("; ")}`);
  }

  /** Keeps what the page looks like at this moment, and tells where. */
  async keepEvidence(name) {
    const path = join(EVIDENCE, name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 100));
    await mkdir(EVIDENCE, { recursive: true });
    await this.page.screenshot({ path: `${path}.png`, fullPage: true }).catch(() => {});
    await this.page.content().then((html) => writeFile(`${path}.html`, html)).catch(() => {});
    if (process.env.ROLLCALL_BROWSER_TRACE) await this.context.tracing.stop({ path: `${path}.trace.zip` }).catch(() => {});
    return `${this.page.url()} looked like ${path}.png (and .html) when it failed`;
  }

  end() {
    return this.context.close();
  }
}
