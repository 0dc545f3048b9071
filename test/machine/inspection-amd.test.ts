import { inspectScenariosOn } from './inspection-cases.ts';

inspectScenariosOn(['amd-v1', 'amd-full']);
