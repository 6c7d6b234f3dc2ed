// Compiled, never run: what the types promise to a script.
import { binary, startRollcall } from "rollcall-server";

export const path: string = binary();
export const stop = async (): Promise<void> => (await startRollcall()).stop();
