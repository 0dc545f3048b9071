export * from './format.ts';
export * from './vtd-second-stage.ts';
