export { DMA_ENGINE, DmaEngine, type DmaEngineSpec, type DmaEngineState } from './dma-engine.ts';
