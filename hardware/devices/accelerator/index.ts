export { Accelerator, type AcceleratorState } from './accelerator.ts';
export { ACCELERATOR, type AcceleratorSpec } from './model.ts';
