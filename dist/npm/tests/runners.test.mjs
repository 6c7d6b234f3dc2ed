// The helper under jest, vitest and the TypeScript compiler; and a vitest run that is killed leaves no process.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

const HERE = import.meta.dirname;
const tool = (name) => join(HERE, "node_modules/.bin", name);
const TESTS = 30;

function passes(command, ...options) {
  const ended = spawnSync(tool(command), options, { cwd: HERE, encoding: "utf8", timeout: 120_000 });
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
}

test("jest runs it", () => passes("jest", "--config", "jest/jest.config.cjs"));

test("its types hold for modules and for scripts", () => passes("tsc", "-p", "types"));

/** Starts the sample with vitest. A mark in its environment tells its processes, however they are related. */
function startSample({ pause, pool }) {
  const directory = mkdtempSync(join(tmpdir(), "rollcall-npm-tests-"));
  const [done, released] = [join(directory, "done"), join(directory, "released")];
  mkdirSync(done);
  if (!pause) writeFileSync(released, "");
  const mark = `SAMPLE_RUN=${randomUUID()}`;
  const environment = { ...process.env, SAMPLE_DONE: done, SAMPLE_RELEASED: released, SAMPLE_POOL: pool, SAMPLE_RUN: mark.split("=")[1] };
  // vitest behaves otherwise where it believes that another test runner started it.
  delete environment.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, [join(HERE, "node_modules/vitest/vitest.mjs"), "run", "--root", "sample"], {
    ...{ cwd: HERE, env: environment, detached: true, stdio: ["ignore", "pipe", "pipe"] },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return {
    child,
    ended: once(child, "exit"),
    output: () => output,
    finished: () => readdirSync(done).length,
    release: () => writeFileSync(released, ""),
    left: () => readdirSync("/proc").filter((each) => /^\d+$/.test(each)).flatMap((process) => {
      try {
        const marked = readFileSync(`/proc/${process}/environ`, "utf8").split("\0").includes(mark);
        return marked ? [readFileSync(`/proc/${process}/cmdline`, "utf8").replaceAll("\0", " ")] : [];
      } catch {
        return [];
      }
    }),
  };
}

async function until(what, sample, holds, milliseconds) {
  for (const end = Date.now() + milliseconds; !holds(); await wait(10)) {
    assert.ok(Date.now() < end, `${what}: not within ${milliseconds} ms\n${sample.left().join("\n")}\n${sample.output().slice(-2000)}`);
  }
}

test("thirty tests on four workers pass and leave nothing", async () => {
  const sample = startSample({ pause: false, pool: "forks" });
  const [status] = await sample.ended;
  assert.equal(status, 0, sample.output());
  assert.equal(sample.finished(), TESTS);
  await until("nothing is left", sample, () => sample.left().length === 0, 2000);
});

for (const pool of ["forks", "threads"]) {
  for (const [whom, target] of [["the runner", 1], ["its process group", -1]]) {
    test(`a run on ${pool} that is killed leaves no process: ${whom}`, async () => {
      const sample = startSample({ pause: true, pool });
      await until("the middle", sample, () => sample.finished() >= 8, 120_000);
      assert.ok(sample.left().some((line) => line.includes("--exit-with-parent")), "no server was seen");
      process.kill(target * sample.child.pid, "SIGKILL");
      sample.release();
      await sample.ended;
      await until("nothing is left", sample, () => sample.left().length === 0, 2000);
      assert.ok(sample.finished() < TESTS);
    });
  }
}
