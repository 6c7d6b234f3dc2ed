// A platform's webhook receiver on this machine. Every delivery is opened by the official SDK, which refuses what is not
// signed with the secret.

import { createServer } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { until } from "./rollcall.mjs";

/** Starts a receiver; `status` is what it answers. */
export async function startReceiver({ status = 204 } = {}) {
  const arrived = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    arrived.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(status).end();
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/hooks`,
    secret: null,
    /** The next delivery's event, verified. */
    async next() {
      const { headers, body } = await until("a delivery", () => arrived.shift());
      return new Anthropic({ apiKey: "unused" }).beta.webhooks.unwrap(body, { headers, key: this.secret });
    },
    /** How many deliveries nobody has asked for. */
    left: () => arrived.length,
    stop() {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}
