/** Alternative routing ids (ARI): a link leads to one device, so its device number can be a part of the function number. */
import {
  ARI_CAPABILITY,
  CapabilityId,
  ExtendedCapabilityId,
  PCIE_CAPABILITY,
  PortType,
} from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';
import { findCapability, findExtendedCapability, wordAt } from './capabilities.ts';

/** Words of the PCI Express capability. */
const DEVICE_CAPABILITIES_2 = 9;
const DEVICE_CONTROL_2 = 10;

/** Lets a port pass every function number, where it can and function 0 below is one of a device that asks for it. */
export function* forwardAllFunctions(bus: Bus, port: number, portType: number | null, below: number): Script<boolean> {
  if (portType !== PortType.ROOT_PORT && portType !== PortType.DOWNSTREAM_PORT) return false;
  const at = yield* findCapability(bus, port, CapabilityId.PCI_EXPRESS);
  const words = new Uint32Array(PCIE_CAPABILITY.$.words);
  for (const n of [DEVICE_CAPABILITIES_2, DEVICE_CONTROL_2]) words[n] = (yield* wordAt(bus, port, at + n * 4))[0]!;
  if (!PCIE_CAPABILITY.ARI_FORWARDING_SUPPORTED.isSet(words)) return false;
  const wanted = (yield* findExtendedCapability(bus, below, ExtendedCapabilityId.ALTERNATIVE_ROUTING_ID)) !== 0;
  PCIE_CAPABILITY.ARI_FORWARDING_ENABLE.set(words, wanted ? 1 : 0);
  yield* bus.configWrite(port, at + DEVICE_CONTROL_2 * 4, 2, words[DEVICE_CONTROL_2]! & 0xffff);
  return wanted;
}

/** Function numbers of such a device: each function names the next one. */
export function* chainedFunctions(bus: Bus, first: number): Script<number[]> {
  const numbers: number[] = [];
  for (let fn = 0; ; ) {
    numbers.push(fn);
    const at = yield* findExtendedCapability(bus, first + fn, ExtendedCapabilityId.ALTERNATIVE_ROUTING_ID);
    if (at === 0) return numbers;
    const words = Uint32Array.of(0, (yield* wordAt(bus, first + fn, at + 4))[0]!);
    const next = ARI_CAPABILITY.NEXT_FUNCTION.get(words);
    // The chain only goes up; 0 ends it.
    if (next <= fn) return numbers;
    fn = next;
  }
}
