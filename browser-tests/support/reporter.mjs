// One line for each test, and the failures whole at the end. Leaves the counts where browser-tests/run looks for them.

import { writeFileSync } from "node:fs";
import { basename } from "node:path";

export default async function* report(source) {
  const failures = [];
  const causes = new Set();
  let passed = 0;
  for await (const { type, data } of source) {
    if (type === "test:stdout" || type === "test:stderr") yield data.message.replace(/^(?=.)/gm, "        ");
    if (type === "test:pass" && isTest(data)) {
      passed += 1;
      yield line("ok  ", data);
    }
    if (type === "test:fail" && isCause(data)) {
      const cause = causeOf(data.details.error);
      failures.push(`${title(data)}\n${causes.has(cause) ? "    as above" : cause}`);
      causes.add(cause);
      yield line("FAIL", data);
    }
  }
  if (failures.length) yield `\n${failures.join("\n\n")}\n\n`;
  const { ROLLCALL_BROWSER_TOTALS } = process.env;
  if (ROLLCALL_BROWSER_TOTALS) writeFileSync(ROLLCALL_BROWSER_TOTALS, JSON.stringify({ passed, failed: failures.length }));
}

// A file is reported as a test that is called like the file.
const isTest = (data) => data.details.type !== "suite" && !data.name.endsWith(".mjs") && data.skip === undefined;
// What failed only because something within it failed says nothing new.
const isCause = (data) => data.details.error?.failureType !== "subtestsFailed";
const title = (data) => (data.file ? `${basename(data.file, ".test.mjs")}: ${data.name}` : data.name);
const line = (outcome, data) => `  ${outcome}  ${title(data)} (${(data.details.duration_ms / 1000).toFixed(1)} s)\n`;

function causeOf(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause).replace(/^/gm, "    ");
}
