/**
 * AMD-Vi: registers, structures in memory, commands and events, as data. Where each comes from, source.ts says. What
 * hardware does about all this is said elsewhere.
 */
export * from './capability-block.ts';
export * from './commands.ts';
export * from './device-table.ts';
export * from './events.ts';
export * from './fault-hints.ts';
export * from './faults.ts';
export * from './interrupt.ts';
export * from './logs.ts';
export * from './not-acted-on.ts';
export * from './registers/index.ts';
export * from './source.ts';
