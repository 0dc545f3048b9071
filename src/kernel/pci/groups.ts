/**
 * IOMMU groups: the smallest sets of functions that can be isolated from all others, found as Linux finds them (the steps
 * are those of its `pci_device_group`). Functions whose requests carry one id, that reach each other past the IOMMU, or
 * that a port without access control leaves open to each other, share a group.
 */
import { PortType } from '../../../hardware/pcie/spec/index.ts';
import { bridgesAbove, isolates, type PciBridge, type PciDevice, type PciFunction } from './device.ts';

/** The groups of `devices`, in the order of their first members. Bridges are of groups, too, but nobody drives them. */
export function groupsOf(devices: readonly PciDevice[], bridges: readonly PciBridge[]): PciDevice[][] {
  const functions: PciFunction[] = [...bridges, ...devices].sort((a, b) => a.rid - b.rid);
  const groupOf = new Map<PciFunction, PciFunction[]>();
  for (const fn of functions) {
    const group = findGroup(fn, functions, groupOf) ?? [];
    group.push(fn);
    groupOf.set(fn, group);
  }
  const isDevice = new Set<PciFunction>(devices);
  return [...new Set(groupOf.values())]
    .map((group) => group.filter((fn): fn is PciDevice => isDevice.has(fn)))
    .filter((group) => group.length > 0);
}

type Groups = ReadonlyMap<PciFunction, PciFunction[]>;

function findGroup(fn: PciFunction, functions: readonly PciFunction[], groupOf: Groups): PciFunction[] | undefined {
  let last = fn;
  // 1. Whoever lends its id to the function's requests.
  for (const bridge of bridgesAbove(fn)) {
    if (!lendsItsId(bridge)) continue;
    last = bridge;
    const group = groupOf.get(bridge);
    if (group !== undefined) return group;
  }
  // 2. Up to where the rest of the way isolates.
  for (const bridge of bridgesAbove(last)) {
    if (isolates(bridge) && [...bridgesAbove(bridge)].every(isolates)) break;
    last = bridge;
    const group = groupOf.get(bridge);
    if (group !== undefined) return group;
  }
  // 3. Other functions of the same device that reach this one.
  if (!last.isMultiFunction || isolates(last)) return undefined;
  const sibling = functions.find(
    (other) => other !== last && other.rid >>> 3 === last.rid >>> 3 && !isolates(other) && groupOf.has(other),
  );
  return sibling && groupOf.get(sibling);
}

/** Requests of conventional devices carry the bridge's id, or that of its secondary bus. */
export function lendsItsId({ portType }: PciFunction): boolean {
  return portType === PortType.PCIE_TO_PCI_BRIDGE || portType === PortType.PCI_TO_PCIE_BRIDGE || portType === null;
}

/** The id that a function's requests carry when they reach the root complex. */
export function requesterOf(rid: number, above: PciBridge | null): number {
  let requester = rid;
  for (let bridge = above; bridge !== null; bridge = bridge.above) {
    if (bridge.portType === PortType.PCIE_TO_PCI_BRIDGE) requester = bridge.secondary << 8;
    else if (lendsItsId(bridge)) requester = bridge.rid;
  }
  return requester;
}

/** Sets that share a member become one. */
export function united(...partitions: readonly (readonly (readonly PciDevice[])[])[]): PciDevice[][] {
  const setOf = new Map<PciDevice, Set<PciDevice>>();
  for (const group of partitions.flat()) {
    const whole = new Set(group.flatMap((device) => [device, ...(setOf.get(device) ?? [])]));
    for (const device of whole) setOf.set(device, whole);
  }
  return [...new Set(setOf.values())].map((whole) => [...whole].sort((a, b) => a.rid - b.rid));
}
