/** What runs in user space and speaks only the uAPI. */
export { DmaEngineDriver, type DmaResult } from './dma-engine.ts';
export { type Exchange, Program } from './program.ts';
