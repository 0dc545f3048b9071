export * from './errno.ts';
export * from './fault.ts';
export * from './ioasid.ts';
export * from './ioctl.ts';
export * from './iommu.ts';
export * from './struct.ts';
export * from './system-calls.ts';
export * from './vfio.ts';
