export { MMU_ENGINE, MmuEngine, type MmuEngineSpec, type MmuEngineState } from './mmu-engine.ts';
