export * from './controller.ts';
export type { HierarchySpec } from './hierarchy.ts';
export { LINE_BYTES, lineOf } from './line.ts';
export { Found, LineCache } from './line-cache.ts';
export * from './physical-memory.ts';
export * from './port.ts';
