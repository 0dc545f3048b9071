export { hex, splitWords } from '../../hardware/bits/index.ts';
/** What stories need of simulated time; they import no room below this one. */
export {
  after,
  asTask,
  type Duration,
  formatTime,
  type Instant,
  ms,
  ns,
  ps,
  Random,
  type Script,
  START,
  type Task,
  type TaskProbe,
  us,
  waitFor,
} from '../../hardware/sim/index.ts';
export type { CoherentMemory, DmaDirection, DmaPiece, DmaSegment } from '../kernel/dma/index.ts';
export { type DeviceBuffer, type DeviceRights, KernelDriver } from '../kernel/drivers/index.ts';
export type { PageRequestGroup } from '../kernel/iommu/attachments.ts';
export type { DomainOptions, IommuDomain } from '../kernel/iommu/driver.ts';
export type { Unmapped } from '../kernel/iommu/page-table.ts';
export {
  type AcceleratorCopy,
  AcceleratorDriver,
  type Attack,
  bytesOfQueue,
  type DeviceMemory,
  DmaEngineDriver,
  type DmaOptions,
  type DmaResult,
  type Loot,
  MaliciousDriver,
  MmuEngineDriver,
  NicDriver,
  NVME_QUEUE_BYTES,
  NvmeDriver,
  Program,
  type Received,
  type ReceiveRing,
} from '../user/index.ts';
export { type AmdCapabilitySet, amdCapabilities, type CapabilitySet, intelCapabilities } from './capabilities.ts';
export { CAPTURE_FORMATS, type Capture } from './capture.ts';
export { AMD_COUNTERS, type CounterTable, type CounterValue, INTEL_COUNTERS } from './counters/index.ts';
export { portalsOf, registersOf } from './driver-registers.ts';
export { featuresOf, MACHINE_FEATURES, type MachineFeature } from './features.ts';
export { IOMMU_NAME } from './hardware.ts';
export * from './input-error.ts';
export { buildMachine, Machine } from './machine.ts';
export { IOVA_CACHES, measureIova } from './measured/dma-api/address-load.ts';
export { SHARES as DMA_API_SHARES, type SharesOfTime } from './measured/dma-api/cpu.ts';
export { type DmaApiResult, dmaApi } from './measured/dma-api/dma-api.ts';
export { DMA_API_MACHINES, dmaApiValues } from './measured/dma-api/machines.ts';
export { DMA_API_MODES, type DmaApiSetUp, type DmaApiValues } from './measured/dma-api/values.ts';
export { measureReceiving } from './measured/fands.ts';
export { HYPERTRIO_CACHES } from './measured/hypertrio.ts';
export { INVALIDATING_MACHINES, type InvalidatingMachineName } from './measured/invalidating-machines.ts';
export { INVALIDATION_PIECES, measureInvalidation } from './measured/invalidation-batches.ts';
export { measureBandwidth, measureLatency, usualEngine } from './measured/measure.ts';
export { PROTECTIONS } from './measured/nic-receive/values.ts';
export { FAULT_SERVICES, type FaultService, FURTHER_PAGE, timeOfFaults } from './measured/page-faults.ts';
export { PathRun, type PathTraffic } from './measured/path-run.ts';
export { type MachineName as MeasuredMachineName, MEASURED_MACHINES } from './measured/pcie-bench-machines.ts';
export { type Provenance, presets, provenance } from './presets/index.ts';
export type { MachineSpec } from './schema.ts';
export { type MachineInput, resolveSpec } from './spec.ts';
export {
  experimentOfPcieBench,
  type KindSummary,
  type Point,
  readPoints,
  type Status,
  type Summary,
  summarize,
  summarizeKinds,
  type Totals,
  type Verdict,
  validatePoint,
} from './validation/index.ts';
export {
  measureReads,
  measureTenants,
  PATTERNS,
  type Pattern,
  STAGES,
  type Stages,
  ways,
} from './workbench/index.ts';
