// Every page that people see, with the way to it through a registry of support/registry.mjs. What walks all pages
// (accessibility, phones, screenshots) walks this list; a page of the router that is missing here fails a test.

import { readFileSync } from "node:fs";
import { sendForm } from "./support/rollcall.mjs";
import { PEOPLE, linkFor } from "./support/registry.mjs";

const PORTAL = "/user-profiles/enrollment/{token}";

/** A character that only the server refuses. */
export const UNPRINTABLE = "\u0007";

/** What a person writes into the cybersecurity form. */
export async function fillApplication(visit, { name = "Ana Ferreira", use = "Triage of samples that our members send us." } = {}) {
  await visit.page.getByRole("checkbox", { name: /^Defense/ }).check();
  await visit.fill("Full name", name);
  await visit.fill("Organization", "CERT Porto");
  await visit.fill("Role", "Analyst");
  await visit.fill("Intended use", use);
  await visit.page.getByRole("checkbox", { name: /^I will use this access/ }).check();
}

async function openForm(visit, registry, profile = PEOPLE.new) {
  await visit.open(`${await linkFor(registry, profile)}?program=cyber`);
}

/** Somebody who has not applied yet: whoever has is not asked again. */
async function newcomer(registry) {
  const { id } = await registry.sdk().userProfiles.create({ name: "Somebody" });
  return id;
}

async function send(visit, registry) {
  await openForm(visit, registry, await newcomer(registry));
  await fillApplication(visit);
  await visit.press("Continue");
  await visit.press("Send application");
}

/** Looks for something in the box of every page. */
async function search(visit, text) {
  await visit.open("/console");
  await visit.fill("Find anything", text);
  await visit.press("Find");
}

/** A file to import, of which some lines are bad. */
export const CSV = `name,external_user_details.reference_id,external_user_details.country,metadata.plan
Ana Ferreira,acct_90001,PT,team
"Lindqvist, Björn",acct_90002,Sweden,team
Leïla Haddad,acct_90003,FR,
Nobody's,,DE,team
`;

async function checkFile(visit, registry) {
  await visit.open("/console/import");
  await visit.page.getByLabel("Organization of lines that name none").selectOption(registry.organizationId);
  await visit.page.getByLabel("File", { exact: true }).setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(CSV) });
  await visit.press("Check the file");
}

/** Chooses the newest application of the queue. */
async function choose(visit, registry) {
  const { id } = await registry.sdk().userProfiles.create({ name: "Zoë Marques" });
  const answer = await sendForm(await linkFor(registry, id), {
    step: "send", program: "cyber", tiers: "a", full_name: "Zoë Marques", organization: "CERT Porto", role: "Analyst", intended_use: "Detections.", agreement: "yes",
  });
  if (answer.status !== 303) throw new Error(`an application was answered with ${answer.status}`);
  await visit.open("/console/enrollments");
  await visit.page.getByRole("checkbox", { name: /^Choose Zoë Marques/ }).last().check();
  await visit.fill("Note to each end user (optional)", "Please name the owner of the systems.");
}

const ENDPOINT = "/console/webhooks/{webhook_endpoint_id}";
const REQUEST = "/console/requests/{document}/{operation}";
const DELIVERY = "/console/deliveries/{webhook_delivery_id}";

const profile = (id) => `/console/profiles/${id}`;
const organization = (registry) => `/console/organizations/${registry.organizationId}`;
const at = (path) => (visit, registry) => visit.open(typeof path === "function" ? path(registry) : path);

/** What an end user sees. */
export const PORTAL_PAGES = [
  { name: "portal-choice", route: PORTAL, go: async (visit, registry) => visit.open(await linkFor(registry, PEOPLE.new)) },
  { name: "portal-form", route: PORTAL, go: openForm },
  {
    // What the page itself finds.
    name: "portal-form-errors",
    route: PORTAL,
    async go(visit, registry) {
      await openForm(visit, registry);
      await visit.fill("Full name", "Ana Ferreira");
      await visit.page.getByRole("button", { name: "Continue" }).click();
      await visit.page.getByRole("alert").waitFor();
    },
  },
  {
    // What the page lets through and the server does not.
    name: "portal-form-refused",
    route: PORTAL,
    async go(visit, registry) {
      await openForm(visit, registry);
      await fillApplication(visit, { name: `Ana ${UNPRINTABLE}Ferreira` });
      await visit.press("Continue");
    },
  },
  {
    name: "portal-review",
    route: PORTAL,
    async go(visit, registry) {
      await openForm(visit, registry);
      await fillApplication(visit, { use: "Triage of samples that our members send us.\n\nNothing else." });
      await visit.press("Continue");
    },
  },
  { name: "portal-status", route: PORTAL, go: send },
  {
    name: "portal-sent-before",
    route: PORTAL,
    async go(visit, registry) {
      const link = `${await linkFor(registry, await newcomer(registry))}?program=cyber`;
      const [first, second] = [visit, await visit.inAnotherTab()];
      for (const tab of [first, second]) {
        await tab.open(link);
        await fillApplication(tab);
        await tab.press("Continue");
      }
      await second.press("Send application");
      await first.press("Send application");
    },
  },
  { name: "portal-admitted", route: PORTAL, go: async (visit, registry) => visit.open(await linkFor(registry, PEOPLE.admitted)) },
  { name: "portal-declined", route: PORTAL, go: async (visit, registry) => visit.open(await linkFor(registry, PEOPLE.declined)) },
  { name: "portal-check", route: PORTAL, go: async (visit, registry) => visit.open(await linkFor(registry, PEOPLE.restricted)) },
  { name: "portal-check-waiting", route: PORTAL, go: async (visit, registry) => visit.open(await linkFor(registry, PEOPLE.checking)) },
  { name: "portal-not-found", route: PORTAL, go: at(`/user-profiles/enrollment/${"A".repeat(43)}`) },
  {
    name: "portal-expired",
    route: PORTAL,
    async go(visit, registry) {
      const id = await newcomer(registry);
      const link = await linkFor(registry, id);
      await registry.sdk().userProfiles.delete(id);
      await visit.open(link);
    },
  },
];

/** What the server says about itself. */
export const REFERENCE_PAGES = [
  { name: "docs", route: "/docs/{document}", go: at("/docs") },
  { name: "docs-group", route: "/docs/{document}/{group}", go: at("/docs/ga/user-profiles") },
  { name: "docs-operator", route: "/docs/{document}/{group}", go: at("/docs/operator/development") },
];

/** What the operator sees before signing in. */
export const SIGN_IN_PAGES = [
  { name: "console-sign-in", route: "/console/sign-in", go: at("/console/sign-in") },
  {
    name: "console-sign-in-refused",
    route: "/console/sign-in",
    async go(visit) {
      await visit.open("/console/sign-in");
      await visit.fill("Operator key", "sk-rollcall-op01-mistyped");
      await visit.press("Sign in");
    },
  },
];

/** What the operator sees. */
export const CONSOLE_PAGES = [
  { name: "console-overview", route: "/console", go: at("/console") },
  { name: "console-profiles", route: "/console/profiles", go: at("/console/profiles") },
  { name: "console-profiles-filtered", route: "/console/profiles", go: at("/console/profiles?enforcement_status=restricted&country=PT&reference_id=") },
  { name: "console-profiles-none", route: "/console/profiles", go: at("/console/profiles?q=Nobody") },
  { name: "console-profiles-no-such-page", route: "/console/profiles", go: at("/console/profiles?country=PT&page=page_cut-off") },
  { name: "console-search", route: "/console/search", go: at("/console/search") },
  { name: "console-search-several", route: "/console/search", go: (visit) => search(visit, "Ana") },
  { name: "console-search-none", route: "/console/search", go: (visit) => search(visit, "nobody@example.com") },
  { name: "console-import", route: "/console/import", go: at("/console/import") },
  { name: "console-import-checked", route: "/console/import", go: checkFile },
  { name: "console-profile", route: "/console/profiles/{user_profile_id}", go: at(profile(PEOPLE.admitted)) },
  { name: "console-profile-banned", route: "/console/profiles/{user_profile_id}", go: at(profile(PEOPLE.banned)) },
  { name: "console-profile-restricted", route: "/console/profiles/{user_profile_id}", go: at(`${profile(PEOPLE.restricted)}?as=ga`) },
  {
    name: "console-profile-forms",
    route: "/console/profiles/{user_profile_id}",
    async go(visit) {
      await visit.open(profile(PEOPLE.checking));
      for (const summary of await visit.page.locator("summary").all()) await summary.click();
    },
  },
  {
    name: "console-profile-ban",
    route: "/console/profiles/{user_profile_id}/actions",
    async go(visit) {
      await visit.open(profile(PEOPLE.new));
      await visit.page.getByText("Restrict or ban").click();
      await visit.page.getByLabel("Action", { exact: true }).selectOption("ban");
      await visit.press("Go on");
    },
  },
  {
    name: "console-profile-link",
    route: "/console/profiles/{user_profile_id}/links",
    async go(visit) {
      await visit.open(profile(PEOPLE.new));
      await visit.press("Make a link for the end user");
    },
  },
  {
    // What the server refuses of a changed field.
    name: "console-profile-refused",
    route: "/console/profiles/{user_profile_id}/fields",
    async go(visit) {
      await visit.open(profile(PEOPLE.new));
      await visit.page.getByText("Change fields").click();
      await visit.fill("Country", "pt");
      await visit.press("Save");
    },
  },
  {
    name: "console-profile-erase",
    route: "/console/profiles/{user_profile_id}/erasure",
    async go(visit, registry) {
      await visit.open(profile(await newcomer(registry)));
      await visit.press("Erase this person …");
    },
  },
  { name: "console-applications", route: "/console/enrollments", go: at("/console/enrollments") },
  { name: "console-applications-none", route: "/console/enrollments", go: at((registry) => `/console/enrollments?status=rejected&organization_id=${registry.organizations[3]}`) },
  { name: "console-application", route: "/console/enrollments/{enrollment_id}", go: at((registry) => `/console/enrollments/${registry.enrollments.waiting}`) },
  { name: "console-application-decided", route: "/console/enrollments/{enrollment_id}", go: at((registry) => `/console/enrollments/${registry.enrollments.decided}`) },
  {
    name: "console-application-reject",
    route: "/console/enrollments/{enrollment_id}",
    async go(visit, registry) {
      await visit.open(`/console/enrollments/${registry.enrollments.waiting}`);
      await visit.fill("Note to the end user (optional)", "Please name the owner of the systems.");
      await visit.press("Reject …");
    },
  },
  {
    name: "console-applications-question",
    route: "/console/enrollments",
    async go(visit, registry) {
      await choose(visit, registry);
      await visit.press("Reject …");
    },
  },
  {
    name: "console-applications-decided",
    route: "/console/enrollments",
    async go(visit, registry) {
      await choose(visit, registry);
      await visit.press("Approve …");
      await visit.press("Approve them");
    },
  },
  { name: "console-webhooks", route: "/console/webhooks", go: at("/console/webhooks") },
  { name: "console-webhooks-none", route: "/console/webhooks", go: at("/console/webhooks?condition=disabled") },
  { name: "console-endpoint", route: ENDPOINT, go: at((registry) => `/console/webhooks/${registry.endpoints["Legacy CRM"]}`) },
  { name: "console-endpoint-none", route: ENDPOINT, go: at((registry) => `/console/webhooks/${registry.endpoints.Billing}?status=failed`) },
  {
    name: "console-endpoint-disable",
    route: ENDPOINT,
    async go(visit, registry) {
      await visit.open(`/console/webhooks/${registry.endpoints.Billing}`);
      await visit.press("Disable …");
    },
  },
  { name: "console-deliveries", route: "/console/deliveries", go: at("/console/deliveries") },
  { name: "console-delivery", route: DELIVERY, go: at((registry) => `/console/deliveries/${registry.deliveries.delivered}`) },
  { name: "console-delivery-failed", route: DELIVERY, go: at((registry) => `/console/deliveries/${registry.deliveries.failed}`) },
  { name: "console-organizations", route: "/console/organizations", go: at("/console/organizations") },
  { name: "console-organization", route: "/console/organizations/{organization_id}", go: at(organization) },
  { name: "console-gateway", route: "/console/organizations/{organization_id}/gateway", go: at((registry) => `${organization(registry)}/gateway`) },
  {
    name: "console-organization-hold",
    route: "/console/organizations/{organization_id}",
    async go(visit, registry) {
      await visit.open(organization(registry));
      await visit.press("Put on hold …");
    },
  },
  {
    name: "console-organization-remove",
    route: "/console/organizations/{organization_id}/removal",
    async go(visit, registry) {
      const made = await registry.operator("POST", "/organizations", { name: "Last Orders", status: "on_hold" });
      await visit.open(`/console/organizations/${made.id}`);
      await visit.press("Remove for good …");
    },
  },
  {
    name: "console-key-secret",
    route: "/console/organizations/{organization_id}/keys",
    async go(visit, registry) {
      await visit.open(`/console/organizations/${registry.organizations[2]}`);
      await visit.page.getByRole("textbox", { name: "Name", exact: true }).last().fill("Gateway in Porto");
      await visit.press("Create key");
    },
  },
  { name: "console-operator-keys", route: "/console/operator_keys", go: at("/console/operator_keys") },
  {
    name: "console-operator-key-secret",
    route: "/console/operator_keys",
    async go(visit) {
      await visit.open("/console/operator_keys");
      await visit.fill("Whose it is", "Inês Marques");
      await visit.page.getByLabel("Role").selectOption("reviewer");
      await visit.press("Create key");
    },
  },
  {
    name: "console-operator-key-disable",
    route: "/console/operator_keys/{operator_key_id}",
    async go(visit) {
      await visit.open("/console/operator_keys");
      await visit.press("Disable … Kenji Tanaka");
    },
  },
  { name: "console-audit", route: "/console/audit", go: at("/console/audit") },
  { name: "console-audit-filtered", route: "/console/audit", go: at("/console/audit?action=user_profile.created&after=2020-01-01T00%3A00") },
  {
    name: "console-audit-event",
    route: "/console/audit/{audit_event_id}",
    async go(visit, registry) {
      const { data } = await registry.operator("GET", "/audit_events?action=enrollment.rejected");
      await search(visit, data.at(-1).id);
    },
  },
  { name: "console-audit-none", route: "/console/audit", go: at("/console/audit?target_id=nothing") },
  { name: "console-export", route: "/console/export", go: at("/console/export") },
  { name: "console-sessions", route: "/console/sessions", go: at("/console/sessions") },
  { name: "console-request", route: REQUEST, go: at("/console/requests/ga/update_user_profile") },
  {
    name: "console-request-answered",
    route: REQUEST,
    async go(visit) {
      await visit.open("/console/requests/ga/get_user_profile");
      await visit.fill("user_profile_id", PEOPLE.restricted);
      await visit.press("Send");
    },
  },
  {
    name: "console-development",
    route: "/console/development",
    async go(visit, registry) {
      await registry.operator("POST", "/dev/faults", { status: 529, times: 2, path: "/v1/user_profiles/uprof_unlucky" });
      await visit.open("/console/development");
    },
  },
  {
    name: "console-development-reset",
    route: "/console/development",
    async go(visit) {
      await visit.open("/console/development");
      await visit.press("Reset …");
    },
  },
  { name: "console-not-found", route: "/console/profiles/{user_profile_id}", go: at("/console/profiles/uprof_unknown") },
];

/** Routes of the console that answer with something else than a page. */
const NO_PAGES = ["/console/export/profiles", "/console/audit/download"];

/** The routes for people as the router's table has them: a template and its methods each. */
export function routesForPeople() {
  const router = readFileSync(new URL("../crates/server/src/http/routes.rs", import.meta.url), "utf8");
  const rows = [...router.matchAll(/^\s+path\((EndUser|Console|DevelopmentConsole), "([^"]+)", &\[(.*)\]\),$/gm)];
  return rows.map(([, , template, methods]) => ({ template, gets: methods.includes("get("), posts: methods.includes("post(") }));
}

/** Pages of the router that the lists above leave out. */
export function pagesLeftOut() {
  const listed = new Set([...PORTAL_PAGES, ...SIGN_IN_PAGES, ...CONSOLE_PAGES].map((page) => page.route).concat(NO_PAGES));
  return routesForPeople().filter(({ template, gets }) => gets && !listed.has(template)).map(({ template }) => template);
}
