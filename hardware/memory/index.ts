export * from './controller.ts';
export * from './physical-memory.ts';
export * from './port.ts';
