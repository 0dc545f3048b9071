export * from './host-permission.ts';
export * from './interrupt.ts';
export * from './interrupt-request.ts';
export * from './legacy.ts';
export * from './page-request.ts';
export * from './scalable.ts';
