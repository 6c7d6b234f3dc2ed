// The installed package as a program: `npx`, exit statuses and signals, and what it says where its program is missing.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

const { PACKAGES_VERSION } = process.env;
const HERE = import.meta.dirname;
const PACKAGE = dirname(createRequire(import.meta.url).resolve("rollcall-server/package.json"));
const PLATFORM = `rollcall-server-${process.platform}-${process.arch}`;
const launcher = join(HERE, "node_modules/.bin/rollcall");

test("npx runs it", () => {
  const ended = spawnSync("npx", ["--offline", "--no-install", "rollcall-server", "--version"], { cwd: HERE, encoding: "utf8" });
  assert.deepEqual([ended.stdout, ended.status], [`rollcall ${PACKAGES_VERSION}\n`, 0], ended.stderr);
});

test("the program's status is the launcher's", () => {
  const ended = spawnSync(launcher, ["no-such-command"], { encoding: "utf8" });
  assert.equal(ended.status, 2);
  assert.match(ended.stderr, /no-such-command/);
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  test(`${signal} lets the server drain and end with 0`, async () => {
    const child = spawn(launcher, ["dev", "--config", "/dev/null", "--in-memory", "--listen", "127.0.0.1:0", "--output", "json"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = await once(createInterface(child.stdout), "line");
    assert.ok(JSON.parse(line).base_url);
    child.kill(signal);
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
}

test("without optional dependencies it says what to do", () => {
  const project = mkdtempSync(join(tmpdir(), "rollcall-npm-tests-"));
  cpSync(PACKAGE, join(project, "node_modules/rollcall-server"), { recursive: true });
  const ended = spawnSync(process.execPath, [join(project, "node_modules/rollcall-server/bin/rollcall.js"), "dev"], { encoding: "utf8" });
  rmSync(project, { recursive: true });
  assert.equal(ended.status, 2);
  assert.ok(ended.stderr.includes(`npm install ${PLATFORM}@${PACKAGES_VERSION}`), ended.stderr);
});

test("on a machine that there is no program for it says so", () => {
  const program = 'Object.defineProperty(process, "platform", { value: "darwin" }); require("rollcall-server").binary()';
  const ended = spawnSync(process.execPath, ["-e", program], { cwd: HERE, encoding: "utf8" });
  assert.match(ended.stderr, /no program for darwin on \w+, only for linux-/);
});
