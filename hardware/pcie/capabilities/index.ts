/** The capabilities of a configuration space: what each says, and what it does when it is written. */
export * from './acs.ts';
export * from './aer.ts';
export * from './ats.ts';
export * from './build.ts';
export * from './capability.ts';
export * from './error-reporting.ts';
export * from './identity.ts';
export * from './message-source.ts';
export * from './msi.ts';
export * from './msix.ts';
export * from './pasid.ts';
export * from './pci-express.ts';
export * from './placement.ts';
export * from './power-management.ts';
export * from './pri.ts';
export * from './specs.ts';
export * from './sr-iov.ts';
