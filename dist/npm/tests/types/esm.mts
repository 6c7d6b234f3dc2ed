// Compiled, never run: what the types promise to a module.
import Anthropic from "@anthropic-ai/sdk";
import { type Delivery, RollcallError, startRollcall, type Tenant } from "rollcall-server";

await using rollcall = await startRollcall({ options: ["--seed", "seed.ndjson"], cwd: "data" });
const tenant: Tenant = await rollcall.tenant("a test");
export const client = new Anthropic({ baseURL: tenant.baseURL, apiKey: tenant.apiKey });
const moved: Date = await rollcall.clock.advance("15m");
await rollcall.clock.stopAt(moved);
await rollcall.faults.add({ status: 529, times: 2 });
await using webhooks = await tenant.webhooks(["user_profile.program_status_updated"]);
const delivery: Delivery = await webhooks.next({ timeout: 1000 });
export const about: string = delivery.event.data.id;
// @ts-expect-error a delivery is not to be changed
delivery.body = "";
// @ts-expect-error the clock takes no Date here
await rollcall.clock.advance(new Date());
export const status = (error: unknown): number | null => (error instanceof RollcallError ? error.status : null);
