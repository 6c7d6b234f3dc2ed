// Five tests, in each of the files beside this one. From the ninth of the run on they wait for SAMPLE_RELEASED, so that whoever
// kills the run can tell that it is in the middle.

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { startRollcall } from "rollcall-server";
import { expect, test } from "vitest";

const { SAMPLE_DONE = "", SAMPLE_RELEASED = "" } = process.env;
const rollcall = await startRollcall();

export function sample(file: string): void {
  test.for([1, 2, 3, 4, 5])("a profile is alone in its organization, %i", { timeout: 60_000 }, async (number) => {
    while (readdirSync(SAMPLE_DONE).length >= 8 && !existsSync(SAMPLE_RELEASED)) await wait(10);
    const { apiKey } = await rollcall.tenant();
    await rollcall.call("POST", "/v1/user_profiles", apiKey, { name: `Number ${number}` });
    const { data } = await rollcall.call("GET", "/v1/user_profiles?beta=true", apiKey);
    expect(data.map((profile: { name: string }) => profile.name)).toEqual([`Number ${number}`]);
    writeFileSync(join(SAMPLE_DONE, `${file}-${number}`), "");
  });
}
