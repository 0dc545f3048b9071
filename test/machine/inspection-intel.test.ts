import { inspectScenariosOn } from './inspection-cases.ts';

inspectScenariosOn(['intel-caching-mode', 'intel-scalable']);
