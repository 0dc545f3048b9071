export { DMA_ENGINE, DmaEngine, type DmaEngineSpec, type DmaEngineState } from './dma-engine.ts';
export {
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_CLASS,
  DMA_ENGINE_VENDOR,
  REVISION,
} from './spec.ts';
export { Transfers, type TransfersState } from './transfers.ts';
