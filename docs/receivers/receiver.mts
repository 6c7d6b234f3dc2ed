// npm install standardwebhooks, then: WEBHOOK_SECRET=whsec_... node receiver.mts
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

type Event = { id: string; created_at: string; data: { type: string; id: string; organization_id: string } };

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? "");
const seen = new Set<string>(); // in production: a unique column in your database

createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  let event: Event;
  try {
    // The raw bytes, never JSON that was parsed and written again.
    event = webhook.verify(Buffer.concat(chunks), request.headers as Record<string, string>) as Event;
  } catch {
    response.writeHead(401).end();
    return;
  }
  if (!seen.has(event.id)) {
    seen.add(event.id); // deliveries can repeat
    console.log(event.data.type, event.data.id); // queue it; fetch the profile later
  }
  response.writeHead(204).end();
}).listen(Number(process.env.PORT ?? 9000), "127.0.0.1");
