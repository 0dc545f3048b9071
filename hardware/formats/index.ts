export * from './format.ts';
export * from './radix-entry.ts';
export * from './vtd-second-stage.ts';
export * from './x86.ts';
