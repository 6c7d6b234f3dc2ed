/// <reference lib="esnext.disposable" />

/** What a development server is started with. */
export interface StartOptions {
  /** Further options of `rollcall dev`, such as `["--seed", "profiles.ndjson"]`. */
  options?: readonly string[];
  /** Where paths in `options` start; by default the current directory. */
  cwd?: string;
}

/**
 * Starts `rollcall dev --in-memory` on a free port of this machine, and resolves when it answers.
 *
 * Neither a `rollcall.toml` nor `ROLLCALL_…` variables reach the server. It ends with `stop()` and with this process, however
 * that ends; a server that nobody stopped keeps no process waiting. Start one in each test file: clock, faults and reset are
 * a whole server's, and a server starts in milliseconds.
 */
export function startRollcall(start?: StartOptions): Promise<Rollcall>;

/** The path of the `rollcall` program that is installed with this package. */
export function binary(): string;

/** What Rollcall refused, or why it could not be started. */
export class RollcallError extends Error {
  /** The status of the answer; null where there was none. */
  readonly status: number | null;
  /** The error's type in the answer, such as `overloaded_error`. */
  readonly errorType: string | null;
}

/** A running development server. The keys of its own are for what concerns no test in particular. */
export interface Rollcall extends AsyncDisposable {
  readonly baseURL: string;
  readonly consoleURL: string;
  readonly organizationId: string;
  readonly workspaceId: string;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly operatorKey: string;
  readonly clock: Clock;
  readonly faults: Faults;

  /** Makes an organization that nobody else uses, with keys of its own. */
  tenant(name?: string): Promise<Tenant>;
  /** Calls the operator API, `/operator/v1` and `path`. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is the path's
  operator(method: string, path: string, body?: unknown): Promise<any>;
  /** Calls any path with any key. Rejects with a `RollcallError` unless the answer is a 2xx. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is the path's
  call(method: string, path: string, key: string, body?: unknown): Promise<any>;
  /** The last requests that clients sent, newest first, at most 200, secrets removed. */
  requests(): Promise<RecordedRequest[]>;
  /** Back to the state right after the start: every tenant made since is gone, and its keys with it. */
  reset(): Promise<void>;
  /** What the server wrote to standard error: warnings and errors. */
  log(): string;
  /** Ends the server. Stopping twice does nothing. */
  stop(): Promise<void>;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly [member: string]: unknown;
}

/** An organization of a test's own. `new Anthropic(tenant)` is a client of it. */
export interface Tenant {
  readonly organizationId: string;
  readonly baseURL: string;
  readonly apiKey: string;
  readonly adminKey: string;
  /** Starts a receiver and registers it for this organization's events: those given, or all that Rollcall emits. */
  webhooks(events?: readonly string[]): Promise<WebhookReceiver>;
}

/** Collects the deliveries of one webhook endpoint, each verified with its secret. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly secret: string;
  /** All that arrived, in order of arrival, those of attempts that were answered with a failure included. */
  readonly deliveries: readonly Delivery[];
  /** The next delivery that `next` has not given yet; waits for it for at most `timeout` milliseconds, 10,000 by default. */
  next(wait?: { timeout?: number }): Promise<Delivery>;
  /** Answers later deliveries with this status. 204 at first; anything but a 2xx makes Rollcall try again. */
  answerWith(status: number): void;
  /** Takes the endpoint away and stops listening. */
  stop(): Promise<void>;
}

export interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  /** What arrived, for a handler of your own. */
  readonly body: string;
  readonly event: WebhookEvent;
}

export interface WebhookEvent {
  readonly type: "event";
  readonly id: string;
  readonly created_at: string;
  readonly data: {
    readonly type: string;
    readonly id: string;
    readonly enforcement_action_id?: string;
    readonly organization_id: string;
  };
}

/** The server's clock, which every timestamp, expiry and retry follows. */
export interface Clock {
  now(): Promise<Date>;
  /** Moves it on, by a time such as `"1h30m"` or a number of milliseconds; it runs or stands as it did. */
  advance(by: string | number): Promise<Date>;
  /** Stops it at an instant. */
  stopAt(at: string | Date): Promise<Date>;
  /** Lets it show the real time again. */
  real(): Promise<Date>;
}

/** Failures on demand, for any public request to this server, whichever tenant sent it. */
export interface Faults {
  /** Orders that the next matching requests fail as real ones do. */
  add(fault: Fault): Promise<void>;
  /** What is still to come, `times` counted down; the first 100. */
  pending(): Promise<{ readonly times: number; readonly [member: string]: unknown }[]>;
  /** Orders no more. */
  clear(): Promise<void>;
}

export interface Fault {
  /** 400 to 599. May be left out beside `delay` or `dropConnection`. */
  status?: number;
  /** How many requests; 1 by default. */
  times?: number;
  method?: string;
  path?: string;
  errorType?: string;
  /** Milliseconds: makes the failure late, or alone a success slow. */
  delay?: number;
  /** Breaks off without an answer. */
  dropConnection?: boolean;
}
