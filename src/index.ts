/** The front door: what scenarios, studies and other people's programs import. */
export {
  buildMachine,
  type CapabilitySet,
  DmaEngineDriver,
  type DmaResult,
  type Duration,
  InputError,
  type Instant,
  intelCapabilities,
  type Machine,
  type MachineInput,
  type MachineSpec,
  ms,
  ns,
  Program,
  presets,
  ps,
  type Script,
  us,
} from './machine/index.ts';
export { formatLine, Recorder, Statistics, type TraceEvent } from './recorder/index.ts';
export {
  type Report,
  Run,
  type RunOptions,
  runScenario,
  type Scenario,
  type ScenarioDefinition,
  Stage,
  scenario,
} from './scenario/index.ts';
export {
  errnoName,
  IOASID_ALLOC,
  IOASID_FREE,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
  VFIO_UNBIND_IOASID_FD,
} from './uapi/index.ts';
