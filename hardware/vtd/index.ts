export { Capabilities, type CapabilityRegisters } from './capabilities.ts';
export * as spec from './spec/index.ts';
export { type VtdSpec, type VtdSurroundings, VtdUnit } from './unit.ts';
