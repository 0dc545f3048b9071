import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**'],
    // Titles made from a row's values are whole, so that each test has a name of its own.
    chaiConfig: { truncateThreshold: 200 },
    // Also the last core works: half of the time goes into waiting for files otherwise.
    maxWorkers: '100%',
    setupFiles: ['test/switch-off.ts', 'test/random.ts', 'test/refusals.ts'],
    // The files of a worker share the modules that they load: loading the sources anew for each took a third of a run.
    isolate: false,
    // A golden file is written by `npm run golden` only: one that is missing is a failure, not a new truth.
    update: 'none',
    // Several tests start the built CLI, which may have to build itself first; a busy host is not a failure.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    reporters: ['default', './scripts/closing-line-reporter.mjs'],
  },
});
