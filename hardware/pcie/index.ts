/** PCI Express: packets, links, functions and the root complex. */
export type { BarSpec } from './base-address.ts';
export type { AddressWindow, BridgeHeader } from './bridge-header.ts';
export * from './capabilities/index.ts';
export * from './codec.ts';
export * from './config-space.ts';
export * from './config-spec.ts';
export * from './endpoint.ts';
export * from './function.ts';
export { type Direction, LINK, Link, LinkEnd, type LinkSpec, type LinkState, linkRate } from './link.ts';
export * from './ordering.ts';
export * from './root-complex.ts';
export type { RootPort } from './root-port.ts';
export type { MmioTarget } from './routes.ts';
export * from './sizes.ts';
export * from './spec/index.ts';
export * from './tlp.ts';
export { TlpPool } from './tlp-pool.ts';
export * from './translation.ts';
