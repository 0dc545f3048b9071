import { inspectScenariosOn } from './inspection-cases.ts';

inspectScenariosOn(['intel-scalable']);
