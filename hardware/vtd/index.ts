export { Capabilities, type CapabilityRegisters } from './capabilities.ts';
export { entryLayout } from './inspect/entries.ts';
export { VtdInspector } from './inspect/inspector.ts';
export { EVENTS, Event } from './performance-events.ts';
export { PERFORMANCE } from './performance-registers.ts';
export { PROTECTED_REGION_N } from './protected-memory.ts';
export * as spec from './spec/index.ts';
export { VtdUnit } from './unit.ts';
export type { VtdSpec, VtdSurroundings } from './unit-spec.ts';
