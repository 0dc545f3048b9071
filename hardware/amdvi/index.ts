export { COUNTERS, type CountersSpec, offsetOfCounter } from './counters.ts';
export { CAPABILITY_HEADER_DEFAULT, type FeatureRegisters, Features, MISC_INFO_0_DEFAULT } from './features.ts';
export { IOMMU_CAPABILITY_AT, placeInBlock } from './function.ts';
export { entryLayout } from './inspect/entries.ts';
export { AmdViInspector } from './inspect/inspector.ts';
export * as spec from './spec/index.ts';
export { type AmdViSpec, type AmdViSurroundings, AmdViUnit } from './unit.ts';
