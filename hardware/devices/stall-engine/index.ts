export { STALL_ENGINE, StallEngine, type StallEngineSpec, type StallEngineState } from './stall-engine.ts';
