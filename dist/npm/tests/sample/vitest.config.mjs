import { join } from "node:path";
import { defineConfig } from "vitest/config";

const { SAMPLE_DONE, SAMPLE_POOL } = process.env;
export default defineConfig({
  cacheDir: join(SAMPLE_DONE, "../cache"),
  test: { include: ["*.test.ts"], maxWorkers: 4, minWorkers: 4, pool: SAMPLE_POOL },
});
