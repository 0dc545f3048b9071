/** What runs in user space and speaks only the uAPI. */

export {
  type AcceleratorCopy,
  AcceleratorDriver,
  type AcceleratorResult,
  type RecordPlace,
  recordIn,
} from './accelerator.ts';
export type { DeviceMemory } from './device-memory.ts';
export type { DeviceRegisters, Portals } from './device-registers.ts';
export { DmaEngineDriver, type DmaOptions, type DmaResult } from './dma-engine.ts';
export { EduDriver } from './edu.ts';
export { type Attack, type Loot, MaliciousDriver } from './malicious.ts';
export { MmuEngineDriver } from './mmu-engine.ts';
export {
  bytesOfQueue,
  NicDriver,
  type QueueShape,
  type Received,
  ReceiveRing,
  TransmitRing,
} from './nic.ts';
export { NVME_QUEUE_BYTES, type NvmeBuffer, NvmeDriver, type NvmeResult } from './nvme.ts';
export { type Exchange, Program } from './program.ts';
