/** PCI as the kernel sees it. */
export { blockTranslated, isRedirected, isTranslatedBlocked } from './access-control.ts';
export { enableMsi, findCapability, findExtendedCapability, wordAt } from './capabilities.ts';
export { type Bar, bridgesAbove, formatRid, isolates, type PciBridge, type PciDevice } from './device.ts';
export { Pci } from './enumerate.ts';
export { groupsOf, requesterOf, united } from './groups.ts';
export { resetFunction } from './reset.ts';
export { VirtualFunctions } from './virtual-functions.ts';
