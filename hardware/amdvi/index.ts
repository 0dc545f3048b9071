export { type FeatureRegisters, Features } from './features.ts';
export { entryLayout } from './inspect/entries.ts';
export { AmdViInspector } from './inspect/inspector.ts';
export * as spec from './spec/index.ts';
export { type AmdViSpec, type AmdViSurroundings, AmdViUnit } from './unit.ts';
