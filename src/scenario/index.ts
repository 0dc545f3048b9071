export * from './entries.ts';
export * from './narration.ts';
export * from './run.ts';
export * from './scenario.ts';
export * from './stage.ts';
