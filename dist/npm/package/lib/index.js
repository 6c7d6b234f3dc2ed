// Starts Rollcall for a test run and steers it. The types and what each function does are in index.d.ts.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const http = require("node:http");
const { createInterface } = require("node:readline");
const { binary } = require("./binary.js");
const { openWebhooks } = require("./webhooks.js");

// Longest wait for one answer of the server, in milliseconds. Faults do not touch the operator API.
const TIMEOUT = 30_000;

class RollcallError extends Error {
  constructor(message, status = null, errorType = null) {
    super(message);
    this.name = "RollcallError";
    this.status = status;
    this.errorType = errorType;
  }
}

/** Starts a server with `--exit-with-parent`: it ends with this process, even when this process is killed with SIGKILL. To end it, end `stdin`. */
function spawnServer([program, ...command], cwd) {
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("ROLLCALL_"));
  // In a session of its own, a Ctrl-C of the test run does not end the server before the tests' teardowns have used it.
  return spawn(program, command, {
    cwd,
    detached: true,
    env: Object.fromEntries(environment),
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function startRollcall({ options = [], cwd } = {}) {
  const command = [
    binary(),
    ...["dev", "--exit-with-parent", "--config", "/dev/null", "--in-memory", "--listen", "127.0.0.1:0", "--output", "json", "--log", "warn"],
    ...options,
  ];
  const child = spawnServer(command, cwd);
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-65_536)));
  const said = once(child.stderr, "end");
  const lines = createInterface(child.stdout);
  const line = await Promise.race([once(lines, "line").then(([first]) => first), once(lines, "close").then(() => null), failed]);
  if (line === null) {
    await said;
    child.stdin.end();
    throw new RollcallError(`\`${command.join(" ")}\` did not start: ${log.trim() || "it said nothing"}`);
  }
  // A server that nobody stopped keeps no process waiting.
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref();
  const exited = once(child, "exit");
  return new Rollcall(JSON.parse(line), () => log, async () => {
    child.ref();
    child.stdin.end();
    await exited;
  });
}

class Rollcall {
  #log;
  #end;
  #stopped = null;

  constructor(announced, log, end) {
    this.baseURL = announced.base_url;
    this.consoleURL = announced.console_url;
    this.organizationId = announced.organization_id;
    this.workspaceId = announced.workspace_id;
    this.apiKey = announced.api_key;
    this.adminKey = announced.admin_key;
    this.operatorKey = announced.operator_key;
    this.clock = new Clock(this);
    this.faults = new Faults(this);
    this.#log = log;
    this.#end = end;
  }

  operator(method, path, body) {
    return this.call(method, `/operator/v1${path}`, this.operatorKey, body);
  }

  async call(method, path, key, body) {
    const { status, text } = await exchange(this.baseURL + path, method, key, body).catch((error) => {
      throw new RollcallError(`${method} ${path}: ${error.message}; the server said: ${this.log().trim() || "nothing"}`);
    });
    if (status >= 200 && status < 300) return JSON.parse(text);
    let error;
    try {
      ({ error } = JSON.parse(text));
    } catch {
      // Not the API's shape: the text says what there is to say.
    }
    throw new RollcallError(`${method} ${path}: ${status}: ${error?.message ?? text.slice(0, 500)}`, status, error?.type);
  }

  async tenant(name = "tests") {
    const { id } = await this.operator("POST", "/organizations", { name: name.slice(0, 200) });
    const [apiKey, adminKey] = await Promise.all(
      ["api", "admin"].map(async (kind) => {
        const made = await this.operator("POST", `/organizations/${id}/api_keys`, { name: `${kind} key of a test`, kind });
        return made.secret;
      }),
    );
    return {
      organizationId: id,
      baseURL: this.baseURL,
      apiKey,
      adminKey,
      webhooks: (events) => openWebhooks(this, adminKey, events),
    };
  }

  async requests() {
    const found = [];
    for (let page = ""; ; ) {
      const answer = await this.operator("GET", `/dev/requests?limit=100${page}`);
      found.push(...answer.data);
      if (!answer.next_page) return found;
      page = `&page=${answer.next_page}`;
    }
  }

  async reset() {
    await this.operator("POST", "/dev/reset");
  }

  log() {
    return this.#log();
  }

  stop() {
    return (this.#stopped ??= this.#end());
  }

  [Symbol.asyncDispose]() {
    return this.stop();
  }
}

/** One request with the standard library: a suite may have replaced `fetch`, or run where there is none. */
function exchange(url, method, key, body) {
  const headers = { "x-api-key": key, "anthropic-version": "2023-06-01", "anthropic-beta": "webhooks-2026-10-07" };
  if (body !== undefined) headers["content-type"] = "application/json";
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false, timeout: TIMEOUT }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, text })).on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT / 1000} s`))).on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

class Clock {
  #server;

  constructor(server) {
    this.#server = server;
  }

  async now() {
    return new Date((await this.#server.operator("GET", "/dev/clock")).now);
  }

  advance(by) {
    return this.#change({ advance: typeof by === "number" ? `${Math.round(by)}ms` : by });
  }

  stopAt(at) {
    return this.#change({ now: at instanceof Date ? at.toISOString() : at });
  }

  real() {
    return this.#change({ real: true });
  }

  async #change(change) {
    return new Date((await this.#server.operator("POST", "/dev/clock", change)).now);
  }
}

class Faults {
  #server;

  constructor(server) {
    this.#server = server;
  }

  async add({ status, times, method, path, errorType, delay, dropConnection }) {
    const fault = { status, times, method, path, error_type: errorType, delay_ms: delay, drop_connection: dropConnection };
    await this.#server.operator("POST", "/dev/faults", fault);
  }

  async pending() {
    return (await this.#server.operator("GET", "/dev/faults?limit=100")).data;
  }

  async clear() {
    await this.#server.operator("DELETE", "/dev/faults");
  }
}

exports.startRollcall = startRollcall;
exports.RollcallError = RollcallError;
exports.binary = binary;
