/** Address Translation Services: what travels between devices and translation agents. */
export * from './messages.ts';
export * from './ranges.ts';
export * from './spec.ts';
export * from './translation-entry.ts';
