/** The front door of the simulation kernel: time, events, scripts, channels, components, seeded randomness. */
export * from './alarm.ts';
export * from './channel.ts';
export * from './component.ts';
export * from './engine.ts';
export * from './random.ts';
export * from './ring.ts';
export * from './script.ts';
export * from './tasks.ts';
export * from './time.ts';
