/**
 * Runs before every test file. Random properties draw the same cases in every run, so that a run that failed fails again and what
 * a test counts over its cases is a fact; `npm run test:long`, which does not load this file, draws new ones each time.
 * IOASIM_SEED=N draws others.
 */
import fc from 'fast-check';

const { IOASIM_SEED: seed = '1' } = process.env;
fc.configureGlobal({ seed: Number(seed) });
