const { startRollcall } = require("rollcall-server");

let rollcall;
beforeAll(async () => {
  rollcall = await startRollcall();
});
afterAll(() => rollcall.stop());

test("a tenant is empty and takes a profile", async () => {
  const { apiKey } = await rollcall.tenant(expect.getState().currentTestName);
  expect((await rollcall.call("GET", "/v1/user_profiles?beta=true", apiKey)).data).toEqual([]);
  const made = await rollcall.call("POST", "/v1/user_profiles", apiKey, { name: "Ana" });
  expect(made.name).toBe("Ana");
});

test("webhooks arrive verified", async () => {
  const tenant = await rollcall.tenant();
  const webhooks = await tenant.webhooks();
  const { id } = await rollcall.call("POST", "/v1/user_profiles", tenant.apiKey, {});
  await rollcall.operator("POST", `/user_profiles/${id}/enforcement_actions`, { type: "ban", reason: "high_harm" });
  expect((await webhooks.next()).event.data.id).toBe(id);
  await webhooks.stop();
});
