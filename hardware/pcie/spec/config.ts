/**
 * Configuration space as the specification writes it: headers and capabilities, as little-endian words at byte offsets.
 *
 * Not acted on: I/O space, ROM, INTx, power management events, buttons, indicators and power of slots, virtual
 * channels, ECRC, VF migration. Capability
 * ids without a layout are named for those who read a list of capabilities.
 */
export * from './config/access-control.ts';
export * from './config/address-translation.ts';
export * from './config/bridge.ts';
export * from './config/errors.ts';
export * from './config/header.ts';
export * from './config/interrupts.ts';
export * from './config/pci-express.ts';
export * from './config/power.ts';
export * from './config/sr-iov.ts';
export * from './config/structure.ts';
export * from './config/vendor.ts';
