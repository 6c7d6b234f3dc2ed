#!/usr/bin/env node
// `npx rollcall-server`: runs the program of this machine's platform package in this process's place.

const { spawn } = require("node:child_process");
const { binary } = require("../lib/binary.js");

let program;
try {
  program = binary();
} catch (error) {
  console.error(`rollcall: ${error.message}`);
  process.exit(2);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`rollcall: ${program}: ${error.message}`);
  process.exit(2);
});
// A terminal's Ctrl-C reaches the program by itself; here it must only not end the wait for it.
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (status, signal) => {
  if (signal === null) process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
