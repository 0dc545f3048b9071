/**
 * IOMMU groups: the smallest sets of functions that can be isolated from all others, found as Linux finds them (the steps
 * are those of its `pci_device_group`). Functions whose requests carry one id, that reach each other past the IOMMU, or
 * that a port without access control leaves open to each other, share a group.
 *
 * In one thing this follows Linux's correction of 2025 and not what went before: one downstream port without access control
 * leaves the whole switch open, whatever stands above it. Before, each such port was a group of its own.
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
  const isClosed = (one: PciFunction) => isolates(one) && portsBeside(one, functions).every(isolates);
  for (const bridge of bridgesAbove(last)) {
    if (isClosed(bridge) && [...bridgesAbove(bridge)].every(isClosed)) break;
    last = bridge;
    const group = groupOf.get(bridge);
    if (group !== undefined) return group;
  }
  // 3. Other ports of a switch that is open, and other functions of the same device that reach this one.
  const reached = isClosed(last) ? [] : portsBeside(last, functions);
  if (last.isMultiFunction && !isolates(last)) {
    reached.push(...functions.filter((other) => other.rid >>> 3 === last.rid >>> 3 && !isolates(other)));
  }
  return reached.map((other) => groupOf.get(other)).find((group) => group !== undefined);
}

/** The other downstream ports of a downstream port's switch. */
function portsBeside(port: PciFunction, functions: readonly PciFunction[]): PciFunction[] {
  if (port.portType !== PortType.DOWNSTREAM_PORT) return [];
  return functions.filter(
    (other) => other !== port && other.above === port.above && other.portType === PortType.DOWNSTREAM_PORT,
  );
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
