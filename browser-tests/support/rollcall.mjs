// A `rollcall dev` of a test's own, and the clients that speak to it: the operator's, the administrator's and the
// official SDK's. Servers listen on a free port of this machine and are ended with the test.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import Anthropic from "@anthropic-ai/sdk";

const { ROLLCALL_BINARY, ROLLCALL_POSTGRES_URL } = process.env;
const KEYS = { api: "browser-tests-api-key", admin: "browser-tests-admin-key", operator: "browser-tests-operator-key" };

/** The instant at which a server's clock stands, unless a test lets it run. */
export const NOW = "2026-03-15T10:00:00Z";

/** The database of this file of tests. */
const DATABASE = ROLLCALL_POSTGRES_URL?.replace("{suite}", basename(process.argv[1], ".test.mjs"));

/** The two engines, and what makes a server use them. */
export const ENGINES = {
  embedded: ["--data-dir", "data"],
  PostgreSQL: ["--database-url", DATABASE, "--secret-key", Buffer.alloc(32, 1).toString("base64")],
};

/**
 * Starts a server.
 *
 * @param engine options that choose the engine; in memory without any
 * @param clock where its clock stands; null lets it run
 * @param settings the text of a settings file
 * @param organizationId the id of its organization, which may be any visible characters
 */
export async function startRollcall({ engine = ["--in-memory"], clock = NOW, settings = "", organizationId } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-browser-tests-"));
  await writeFile(join(directory, "rollcall.toml"), settings);
  const command = [
    "dev", ...engine, "--listen", "127.0.0.1:0", "--output", "json",
    ...(clock ? ["--clock", clock] : []),
    ...(organizationId ? ["--organization-id", organizationId] : []),
    ...Object.entries(KEYS).flatMap(([kind, key]) => [`--${kind}-key`, key]),
  ];
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("ROLLCALL_"));
  const child = spawn(ROLLCALL_BINARY, command, { cwd: directory, env: Object.fromEntries(environment), stdio: ["ignore", "pipe", "pipe"] });
  const log = [];
  createInterface(child.stderr).on("line", (line) => log.push(line));
  const ended = new Promise((resolve) => child.once("exit", (status, signal) => resolve(status ?? signal)));
  const announced = await Promise.race([firstObject(child.stdout), ended.then((status) => ({ status }))]);
  if (!announced.base_url) throw new Error(`the server ended with ${announced.status}: ${log.slice(-5).join("\n")}`);

  const url = announced.base_url;
  return {
    url,
    organizationId: announced.organization_id,
    workspaceId: announced.workspace_id,
    operatorKey: KEYS.operator,
    operator: (method, path, body) => call(url, KEYS.operator, method, `/operator/v1${path}`, body),
    administrator: (method, path = "", body, key = KEYS.admin) => call(url, key, method, `/v1/organizations/webhooks${path}`, body),
    sdk: (key = KEYS.api) => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 }),
    setClock: (change) => call(url, KEYS.operator, "POST", "/operator/v1/dev/clock", change),
    async stop() {
      child.kill("SIGTERM");
      const status = await ended;
      await rm(directory, { recursive: true, force: true });
      const panics = log.filter((line) => line.includes("panicked at"));
      if (status !== 0 || panics.length) throw new Error(`the server ended with ${status}: ${[...panics, ...log.slice(-5)].join("\n")}`);
    },
  };
}

/** The JSON object that a stream begins with. */
async function firstObject(stream) {
  let text = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += chunk;
    try {
      return JSON.parse(text);
    } catch {
      // It is not whole yet.
    }
  }
  return {};
}

async function call(url, key, method, path, body) {
  const headers = { "x-api-key": key, "anthropic-version": "2026-10-21", "anthropic-beta": "webhooks-2026-10-07" };
  const text = typeof body === "string";
  headers["content-type"] = text ? "application/x-ndjson" : "application/json";
  const answer = await fetch(url + path, { method, headers, body: text ? body : body && JSON.stringify(body) });
  if (!answer.ok) throw new Refused(`${method} ${path}: ${answer.status} ${await answer.text()}`, answer.status);
  return answer.json();
}

/** What a server said no to. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Sends a form as a browser would, without one. Redirects are told, not followed. */
export function sendForm(address, fields, headers = {}) {
  return fetch(address, { method: "POST", redirect: "manual", headers, body: new URLSearchParams(fields) });
}

/** Asks until the answer is there. Whatever is waited for is under way already, so that it is a matter of moments. */
export async function until(what, ask) {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not within 15 s`);
}
