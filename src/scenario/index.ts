export * from './entries.ts';
export { Look } from './look.ts';
export * from './narration.ts';
export * from './run.ts';
export * from './scenario.ts';
export * from './stage.ts';
export * from './table-walk.ts';
