/** PCI Express as the specification writes it. */
export * from './config.ts';
export * from './link.ts';
export * from './tlp.ts';
