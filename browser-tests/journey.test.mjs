// A person's whole way, on both engines: the platform makes a link with the official SDK, the person applies, the
// operator decides in the console, and the platform reads the decision in every dialect and is told by a webhook. Then a
// restriction that an identity check clears.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ENGINES, startRollcall } from "./support/rollcall.mjs";
import { startReceiver } from "./support/receiver.mjs";
import { visiting, withBrowser } from "./support/scene.mjs";

/** How a platform reads a profile in each dialect, and where that dialect has the programs. */
const DIALECTS = {
  "2026-03-24": (client, id) => client.beta.userProfiles.retrieve(id, {}, { headers: { "anthropic-beta": "user-profiles-2026-03-24" } }),
  "2026-08-18": (client, id) => client.beta.userProfiles.retrieve(id),
  "2026-09-04": (client, id) => client.beta.userProfiles.retrieve(id, { betas: ["user-profiles-2026-09-04"] }),
  ga: (client, id) => client.userProfiles.retrieve(id),
};
const EVENTS = ["user_profile.enforcement_action_opened", "user_profile.enforcement_action_resolved", "user_profile.program_status_updated"];

withBrowser();

for (const [name, engine] of Object.entries(ENGINES)) {
  describe(name, () => {
    let rollcall;
    let receiver;
    let platform;
    let profile;

    before(async () => {
      // The clock runs: the SDK refuses a delivery that was not signed within the last minutes.
      rollcall = await startRollcall({ engine, clock: null });
      receiver = await startReceiver();
      const endpoint = await rollcall.administrator("POST", "", { url: receiver.url, enabled_events: EVENTS });
      receiver.secret = endpoint.signing_secret;
      platform = rollcall.sdk();
      profile = await platform.beta.userProfiles.create({ name: "Ana Ferreira", metadata: { plan: "team" } });
    });
    after(async () => {
      await rollcall?.stop();
      await receiver?.stop();
    });

    const visit = (what, options, body) => visiting(`journey ${name} ${what}`, rollcall, options, body);
    const newLink = async () => (await platform.beta.userProfiles.createEnrollmentURL(profile.id)).url;

    async function programInEveryDialect() {
      const found = {};
      for (const [dialect, read] of Object.entries(DIALECTS)) {
        const seen = await read(platform, profile.id);
        found[dialect] = (dialect === "ga" ? seen.programs : seen.trust_grants).cyber?.status;
      }
      return found;
    }

    async function assertTold(type) {
      const event = await receiver.next();
      assert.equal(event.data.type, type);
      assert.equal(event.data.id, profile.id);
      assert.equal(event.data.organization_id, rollcall.organizationId);
    }

    async function enforcement() {
      const seen = await platform.userProfiles.retrieve(profile.id);
      return { status: seen.enforcement_status, open: seen.enforcement_actions.map((action) => [action.type, action.reason, action.action]) };
    }

    test(`${name}: an application becomes access`, async () => {
      const link = await newLink();
      await visit("person applies", {}, async (person) => {
        await person.open(link);
        assert.match(await person.heading(), /invites you to verify/);
        await person.page.getByRole("checkbox", { name: /^Defense/ }).check();
        await person.fill("Full name", "Ana Ferreira");
        await person.fill("Organization", "CERT Porto");
        await person.fill("Role", "Analyst");
        await person.fill("Intended use", "Triage of samples that our members send us.\nNothing else.");
        await person.page.getByRole("checkbox", { name: /^I will use this access/ }).check();
        await person.press("Continue");
        assert.equal(await person.heading(), "Check your application");
        assert.match(await person.text(), /CERT Porto/);
        await person.press("Send application");
        assert.equal(await person.heading(), "Your application");
        assert.match(await person.text(), /Under review/);
      });
      assert.deepEqual(new Set(Object.values(await programInEveryDialect())), new Set(["pending"]));
      await assertTold("user_profile.program_status_updated");

      await visit("operator approves", {}, async (operator) => {
        await operator.signIn(rollcall.operatorKey);
        await operator.follow("Applications");
        await operator.follow("Ana Ferreira, CERT Porto");
        assert.match(await operator.text(), /Triage of samples that our members send us\./);
        assert.ok(await operator.page.getByRole("checkbox", { name: /^(A|Defense) \(asked for\)$/ }).isChecked(), "the tier that was asked for is not chosen");
        await operator.fill("Note to the end user (optional)", "Welcome, Ana.");
        await operator.press("Approve");
        assert.match(await operator.text(), /Approved\. The profile is active in the program\./);
      });
      assert.deepEqual(await programInEveryDialect(), { "2026-03-24": "active", "2026-08-18": "active", "2026-09-04": "active", ga: "active" });
      const { programs } = await platform.userProfiles.retrieve(profile.id);
      assert.deepEqual(programs.cyber.tiers, { a: { status: "active" }, b: { status: "inactive" }, c: { status: "inactive" } });
      await assertTold("user_profile.program_status_updated");

      await visit("person reads the decision", {}, async (person) => {
        await person.open(link);
        assert.match(await person.text(), /Admitted/);
        assert.match(await person.text(), /Welcome, Ana\./);
      });
    });

    test(`${name}: an identity check ends a restriction`, async () => {
      await visit("operator restricts, person checks, operator resolves", {}, async (operator) => {
        await operator.signIn(rollcall.operatorKey);
        await operator.follow("Profiles");
        await operator.follow("Ana Ferreira");
        await operator.page.getByText("Restrict or ban").click();
        await operator.page.getByLabel("Reason").selectOption("fraud_or_abuse");
        await operator.page.getByRole("checkbox", { name: "An identity check can clear it" }).check();
        await operator.press("Go on");
        await operator.press("Restrict");
        assert.match(await operator.text(), /The action is open\./);
        assert.deepEqual(await enforcement(), { status: "restricted", open: [["restriction", "fraud_or_abuse", "verify"]] });
        await assertTold("user_profile.enforcement_action_opened");

        await visit("person checks", {}, async (person) => {
          await person.open(await newLink());
          await person.page.getByRole("checkbox", { name: /^I am the person/ }).check();
          await person.press("Start the identity check");
          assert.match(await person.text(), /Identity check under review/);
        });
        assert.deepEqual(await enforcement(), { status: "pending", open: [["restriction", "fraud_or_abuse", null]] });

        await operator.page.reload();
        await operator.press("Check passed");
        assert.match(await operator.text(), /The identity check is recorded\./);
      });
      assert.deepEqual(await enforcement(), { status: "unrestricted", open: [] });
      await assertTold("user_profile.enforcement_action_resolved");
      assert.equal(receiver.left(), 0, "more was delivered than was decided");
    });
  });
}
