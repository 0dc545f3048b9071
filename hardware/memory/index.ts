export * from './controller.ts';
export type { HierarchySpec } from './hierarchy.ts';
export * from './physical-memory.ts';
export * from './port.ts';
