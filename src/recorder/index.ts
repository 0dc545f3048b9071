export * from './events.ts';
export * from './recorder.ts';
export * from './statistics.ts';
export * from './text.ts';
export * from './wrap.ts';
