// A registry in which one text stands in every field that any page shows. Each text gets an organization of its own, with a
// profile, an application, an action and a webhook endpoint that all hold it.

import { Refused, sendForm, until } from "./rollcall.mjs";
import { linkFor } from "./registry.mjs";

const EVENTS = ["user_profile.program_status_updated"];

/** A text as far as a line of a form takes it: without the characters that cannot be printed. */
export const line = (text) => text.replace(/\p{Cc}/gu, " ").trim();

/** A settings file with a program for each text, which stands in everything that a program says. */
export const programsOf = (texts) => texts.map((text, number) => program(`p${number}`, JSON.stringify(text))).join("\n");

// What JSON writes is a string of TOML as well.
const program = (name, text) => `
[[programs]]
name = "${name}"
title = ${text}
description = ${text}
fields = [
  { name = "full_name", label = ${text}, hint = ${text}, kind = "text", required = true },
  { name = "use", label = ${text}, hint = ${text}, kind = "long_text", required = true },
  { name = "where", label = ${text}, kind = "choice", options = ["Here", ${text}], required = true },
  { name = "agreement", label = ${text}, hint = ${text}, kind = "agreement", required = true },
]
`;

/** An application with a text in each of its fields. */
const application = (text) => ({ program: "cyber", tiers: "a", full_name: line(text), organization: line(text), role: line(text), intended_use: text });

/** Sends an application of a profile, in which every field is the text. The link it was sent behind. */
export async function apply(rollcall, profile, text, key) {
  const link = await linkFor(rollcall, profile, key);
  const sent = await sendForm(link, { ...application(text), agreement: "yes", step: "send" });
  if (sent.status !== 303) throw new Error(`an application of ${JSON.stringify(text)} was answered with ${sent.status}`);
  return link;
}

/** Stores a text everywhere and tells where it can be seen. `receiver` takes the deliveries. */
export async function inject(rollcall, text, receiver) {
  const { operator } = rollcall;
  const organization = await operator("POST", "/organizations", { name: text });
  await operator("POST", "/operator_keys", { name: text, role: "viewer" });
  const path = `/organizations/${organization.id}`;
  const workspace = await operator("POST", `${path}/workspaces`, { name: text });
  const [api, admin] = await Promise.all([
    operator("POST", `${path}/api_keys`, { name: text, kind: "api", workspace_id: workspace.id }),
    operator("POST", `${path}/api_keys`, { name: text, kind: "admin" }),
  ]);
  const endpoint = await newEndpoint(rollcall, admin.secret, text, receiver);

  const platform = rollcall.sdk(api.secret);
  const profile = await platform.userProfiles.create({
    name: text,
    metadata: { [[...text].slice(0, 64).join("")]: text },
    external_user_details: { reference_id: text, email_hash: text, name_hash: text },
  });
  const link = await apply(rollcall, profile.id, text, api.secret);
  const [enrollment] = (await operator("GET", `/user_profiles/${profile.id}`)).enrollments;
  await operator("POST", `/enrollments/${enrollment.id}/reject`, { note: text });
  await operator("POST", `/user_profiles/${profile.id}/enforcement_actions`, { type: "restriction", reason: "fraud_or_abuse", action: "verify" });
  const delivery = await until("both deliveries", async () => {
    const { data } = await operator("GET", `/webhook_deliveries?endpoint_id=${endpoint.id}&status=delivered`);
    return data.length === 2 && data[0];
  });
  // What the development page shows of requests that were sent.
  await fetch(`${rollcall.url}/v1/${encodeURIComponent(text)}?${encodeURIComponent(text)}=1`, { method: "POST", body: text });
  return {
    organization: organization.id,
    profile: profile.id,
    enrollment: enrollment.id,
    endpoint: endpoint.id,
    delivery: delivery.id,
    link,
    newLink: () => linkFor(rollcall, profile.id, api.secret),
  };
}

/** An endpoint whose address holds the text too, as it is where an address can hold it so, else encoded. */
async function newEndpoint(rollcall, key, text, receiver) {
  const draft = (query) => ({ name: text, description: text, url: `${receiver}?${query}`, enabled_events: EVENTS });
  try {
    return await rollcall.administrator("POST", "", draft(text), key);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 400) throw error;
    return rollcall.administrator("POST", "", draft(encodeURIComponent(text)), key);
  }
}
