export * from './address.ts';
export * from './catalogue.ts';
export * from './in-memory.ts';
export * from './layout.ts';
export * from './registers.ts';
export * from './reserved-bits.ts';
export * from './words.ts';
