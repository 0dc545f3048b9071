/** Address Translation Services: what travels between devices and translation agents, and the devices' side of it. */
export * from './cache/index.ts';
export * from './device-tlb.ts';
export * from './messages.ts';
export * from './ranges.ts';
export * from './spec.ts';
export * from './translation-entry.ts';
