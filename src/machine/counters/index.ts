/** The performance counters that real IOMMUs have, under the names of Linux's perf. */
export { AMD_COUNTERS } from './amd.ts';
export * from './counter.ts';
export { INTEL_COUNTERS } from './intel.ts';
