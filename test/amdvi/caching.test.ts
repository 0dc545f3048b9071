/**
 * Random sequences of table edits, invalidations and accesses against the brute-force twin (test/amdvi/caching/twin.ts):
 * a small number of those of test/long, and units that are broken on purpose.
 */
import { cachingContract } from '../caching/suite.ts';
import { GUEST_CATCHES, HOST_CATCHES } from './caching/caught-by.ts';
import { GUEST, HOST } from './caching/modes.ts';

cachingContract([
  { mode: HOST, sequences: 40, firstCatch: HOST_CATCHES },
  { mode: GUEST, sequences: 20, firstCatch: GUEST_CATCHES },
]);
