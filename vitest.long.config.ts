import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts'],
    passWithNoTests: true,
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
    reporters: ['default', './scripts/closing-line-reporter.mjs'],
  },
});
