/** PCI Express as the specification writes it. */
export * from './capture.ts';
export * from './config.ts';
export * from './link.ts';
export * from './tlp.ts';
