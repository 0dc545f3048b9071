/**
 * Random sequences of table edits, invalidations and accesses against the brute-force twin (test/vtd/caching/twin.ts):
 * a small number of those of test/long, and units that are broken on purpose.
 */
import { cachingContract } from '../caching/suite.ts';
import { LEGACY_CATCHES, SCALABLE_CATCHES } from './caching/caught-by.ts';
import { LEGACY, SCALABLE } from './caching/modes.ts';

cachingContract([
  { mode: LEGACY, sequences: 50, firstCatch: LEGACY_CATCHES },
  { mode: SCALABLE, sequences: 20, firstCatch: SCALABLE_CATCHES },
]);
