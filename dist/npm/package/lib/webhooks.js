// A webhook receiver on this machine that opens each delivery with the endpoint's secret and keeps it.

const { createHmac, timingSafeEqual } = require("node:crypto");
const http = require("node:http");

const EVENT_TYPES = [
  "user_profile.enforcement_action_opened",
  "user_profile.enforcement_action_resolved",
  "user_profile.program_status_updated",
];
const ENDPOINTS = "/v1/organizations/webhooks";

exports.openWebhooks = async function openWebhooks(rollcall, adminKey, events = EVENT_TYPES) {
  const receiver = new WebhookReceiver(rollcall, adminKey);
  await receiver.open(events);
  return receiver;
};

class WebhookReceiver {
  #rollcall;
  #adminKey;
  #endpoint = "";
  #status = 204;
  #refused = [];
  #untaken = [];
  #waiting = [];
  #server;

  constructor(rollcall, adminKey) {
    this.#rollcall = rollcall;
    this.#adminKey = adminKey;
    this.deliveries = [];
    this.secret = "";
    this.url = "";
    this.#server = http.createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      response.writeHead(this.#take(request.headers, Buffer.concat(chunks))).end();
    });
  }

  async open(events) {
    await new Promise((resolve, reject) => this.#server.once("error", reject).listen(0, "127.0.0.1", resolve));
    // A receiver that nobody stopped keeps no process waiting.
    this.#server.unref();
    this.url = `http://127.0.0.1:${this.#server.address().port}/webhooks`;
    try {
      const endpoint = await this.#rollcall.call("POST", ENDPOINTS, this.#adminKey, { url: this.url, enabled_events: events });
      this.#endpoint = endpoint.id;
      this.secret = endpoint.signing_secret;
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  next({ timeout = 10_000 } = {}) {
    if (this.#untaken.length > 0) return Promise.resolve(this.#untaken.shift());
    return new Promise((resolve, reject) => {
      const waiting = (delivery) => {
        clearTimeout(timer);
        resolve(delivery);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        const refused = this.#refused.length > 0 ? `; refused: ${this.#refused.join("; ")}` : "";
        reject(new Error(`no webhook was delivered within ${timeout / 1000} s${refused}`));
      }, timeout);
      this.#waiting.push(waiting);
    });
  }

  answerWith(status) {
    this.#status = status;
  }

  async stop() {
    // After a reset, or a server that stopped first, there is nothing left to take away.
    await this.#rollcall.call("DELETE", `${ENDPOINTS}/${this.#endpoint}`, this.#adminKey).catch(() => {});
    await this.#close();
  }

  [Symbol.asyncDispose]() {
    return this.stop();
  }

  #close() {
    this.#server.closeAllConnections();
    return new Promise((closed) => this.#server.close(() => closed()));
  }

  #take(headers, body) {
    const why = wrong(headers, body, this.secret);
    if (why !== null) {
      this.#refused.push(why);
      return 401;
    }
    const delivery = { headers, body: body.toString("utf8"), event: JSON.parse(body) };
    this.deliveries.push(delivery);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(delivery);
    else this.#untaken.push(delivery);
    return this.#status;
  }
}

/**
 * What is wrong with a delivery's signature, by Standard Webhooks. The timestamp's age is not judged: the server's clock is
 * the test's to move.
 */
function wrong(headers, body, secret) {
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    if (typeof headers[name] !== "string") return `a request without the header ${name}`;
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = createHmac("sha256", key).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`).update(body);
  const expected = Buffer.from(`v1,${signed.digest("base64")}`);
  const matches = headers["webhook-signature"].split(" ").some((each) => {
    const signature = Buffer.from(each);
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  });
  return matches ? null : `the delivery ${headers["webhook-id"]} is not signed with this endpoint's secret`;
}
