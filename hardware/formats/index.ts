export * from './amd-v1.ts';
export * from './amd-v2.ts';
export * from './format.ts';
export * from './radix-entry.ts';
export * from './vtd-second-stage.ts';
export * from './x86.ts';
