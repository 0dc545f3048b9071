/** What test/machine/inspection-*.test.ts does, on the machines of each vendor that have less. */
import { inspectScenariosOn } from '../machine/inspection-cases.ts';

inspectScenariosOn(['intel-caching-mode', 'amd-v1']);
