export { type FeatureRegisters, Features } from './features.ts';
export * as spec from './spec/index.ts';
export { type AmdViSpec, type AmdViSurroundings, AmdViUnit } from './unit.ts';
