// Photographs every page of pages.mjs at 1280 and 390 pixels, in light and dark, into docs/screenshots/. The registry, its
// clock and what chance decides (settle) are the same each time, so that a picture changes only when its page does.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CONSOLE_PAGES, PORTAL_PAGES, REFERENCE_PAGES, SIGN_IN_PAGES } from "./pages.mjs";
import { openBrowser } from "./support/browser.mjs";
import { startRegistry } from "./support/registry.mjs";
import { startRollcall } from "./support/rollcall.mjs";

const INTO = fileURLToPath(new URL("../docs/screenshots", import.meta.url));
/** How wide, and how much of a long page is enough. */
const SIZES = [{ width: 1280, height: 800, most: 1500 }, { width: 390, height: 844, most: 1900 }];
const COLORS = 64;

const registry = await startRegistry();
const empty = await startRollcall();
const browser = await openBrowser({ windowless: true });
const rough = await mkdtemp(join(tmpdir(), "rollcall-screenshots-"));
try {
  await rm(INTO, { recursive: true, force: true });
  await mkdir(INTO, { recursive: true });
  await photographAll(CONSOLE_PAGES, registry, true);
  await photographAll([...SIGN_IN_PAGES, ...PORTAL_PAGES, ...REFERENCE_PAGES], registry, false);
  await photographAll([{ name: "console-overview-empty", go: (visit) => visit.open("/console") }], empty, true);
  await quantize();
} finally {
  await browser.close();
  await registry.stop();
  await empty.stop();
  await rm(rough, { recursive: true, force: true });
}

async function photographAll(pages, rollcall, signedIn) {
  let session = {};
  if (signedIn) {
    const visit = await browser.visit(rollcall.url);
    await visit.signIn(rollcall.operatorKey);
    session = { storageState: await visit.context.storageState() };
    await visit.end();
  }
  for (const { name, go } of pages) {
    const visit = await browser.visit(rollcall.url, session);
    await go(visit, rollcall);
    await visit.page.evaluate(settle, Object.entries(rollcall.aliases ?? {}));
    for (const { most, ...size } of SIZES) {
      await visit.page.setViewportSize(size);
      for (const colorScheme of ["light", "dark"]) {
        await visit.page.emulateMedia({ colorScheme });
        const height = await visit.page.evaluate(() => document.documentElement.scrollHeight);
        const clip = { x: 0, y: 0, width: size.width, height: Math.min(Math.max(height, size.height), most) };
        await visit.page.screenshot({ path: join(rough, `${name}-${size.width}-${colorScheme}.png`), fullPage: true, clip, caret: "hide" });
      }
    }
    await visit.end();
    console.log(`  ${name}`);
  }
}

/** Makes the pictures small: a page of ours has few colours. */
async function quantize() {
  const pictures = await readdir(rough);
  for (const picture of pictures) {
    await promisify(execFile)("pngquant", ["--strip", "--speed", "1", "--nofs", "--output", join(INTO, picture), String(COLORS), join(rough, picture)]);
  }
  console.log(`  ${pictures.length} pictures in docs/screenshots`);
}

/** Puts in place of what chance decides something that looks the same; runs in the page. */
function settle(aliases) {
  const names = new Map();
  const same = (text, prefix, make) => {
    if (!names.has(text)) names.set(text, make([...names.keys()].filter((other) => other.startsWith(prefix)).length));
    return names.get(text);
  };
  const settled = (text) => {
    for (const [address, alias] of aliases) text = text.replaceAll(address, alias);
    return text
      .replace(/\b(enac|wrkspc|apikey|whd|enr|aud|whep|req)_01\w{22}/g, (id, kind) => same(id, kind, (number) => `${kind}_011CZ4frhrkDdKezQYJD${String(1001 + number)}`))
      .replace(/\bwhe_[0-9a-f]{32}/g, (id) => same(id, "whe", (number) => `whe_019cf0f035007000b0465707${String(21_000_001 + number)}`))
      .replace(/\bcses_[0-9a-f]{16}/g, (id) => same(id, "cses", (number) => `cses_5664b4fc8369${String(6966 + number)}`))
      .replace(/\b019[0-9a-f]{5}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => same(id, "019", (number) => `019b11ae-6340-7000-a70f-15381${String(1_000_001 + number)}`))
      .replace(/\b(sk-rollcall-\w+-)[\w-]+/g, (_, kind) => `${kind}4fGx7Tq9bKz2mWn8LpRvYc3Hd6JsAe1Uo5iX0tNhQg`)
      .replace(/\bv1,[A-Za-z0-9+/]{43}=/g, "v1,gq0u2P6m9J4cF8yX1tVb7nWzK3sLdR5hQeAoTiUxYkM=")
      .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:8787")
      .replace(/\b\d+(\.\d+)? ms\b/g, "8 ms");
  };
  // Rows of one instant stand in an order that chance decides.
  const instant = (row) => row.innerText.match(/\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?/)?.[0];
  const wording = (row) => row.innerText.replace(/(?!uprof)\b[a-z]+_01\w+|[0-9a-f-]{36}/g, "");
  for (const body of document.querySelectorAll("tbody")) {
    const rows = [...body.rows].map((row, place) => ({ row, place, at: instant(row), says: wording(row) }));
    rows.sort((one, other) => (one.at && one.at === other.at ? one.says.localeCompare(other.says) : one.place - other.place));
    body.append(...rows.map(({ row }) => row));
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = settled(texts.currentNode.data);
}
