#!/usr/bin/env node
// The `ioasim` command: in a clone it first brings dependencies and build up to date, in an installed package both are there.
import { existsSync } from 'node:fs';

async function main() {
  if (existsSync(new URL('../src', import.meta.url))) {
    const { setUp } = await import('../scripts/setup.mjs');
    await setUp();
  }
  const cli = await import('../dist/src/cli/main.js');
  return cli.main(process.argv.slice(2));
}

main().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error) => {
    // Whatever the command foresees it reports itself; a failed set-up is one message, anything else is a bug with its stack.
    const expected = error?.constructor?.name === 'SetupError';
    process.stderr.write(`ioasim: ${expected ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  },
);
