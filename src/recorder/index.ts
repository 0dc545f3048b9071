export * from './events.ts';
export * from './recorder.ts';
export * from './shares.ts';
export * from './statistics.ts';
export * from './tasks.ts';
export * from './text.ts';
export * from './trace/index.ts';
export * from './wrap.ts';
