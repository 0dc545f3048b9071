import { inspectScenariosOn } from './inspection-cases.ts';

inspectScenariosOn(['amd-full']);
