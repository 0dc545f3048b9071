/** Address Translation Services: what travels between devices and translation agents, and the devices' side of it. */
export { type AtsTarget, nextPage, type OnFault } from './access.ts';
export * from './ats-requester.ts';
export * from './cache/index.ts';
export * from './device-tlb.ts';
export type { AtsSpec } from './locator.ts';
export * from './messages.ts';
export * from './page-requests.ts';
export * from './ranges.ts';
export * from './spec.ts';
export * from './translation-entry.ts';
