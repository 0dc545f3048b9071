/** Switches virtual functions on and off, in the order in which Linux does it: their number, then VF Enable, then patience. */
import { encode } from '../../../hardware/bits/index.ts';
import { PortType, SRIOV_CAPABILITY } from '../../../hardware/pcie/spec/index.ts';
import { ms, type Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, ENOMEM, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { KernelLog } from '../log.ts';
import { wordAt } from './capabilities.ts';
import { type Bar, formatRid, type PciDevice, type SingleRoot } from './device.ts';
import { requesterOf } from './groups.ts';

const CONTROL = 2;
const NUM_VFS = 4;
const PLACES = 5;
const DEVICE = 6;
/** How long the functions may take to be there, and to be gone. */
const AFTER_ENABLE = ms(100);
const AFTER_DISABLE = ms(1000);

export class VirtualFunctions {
  readonly #bus: Bus;
  readonly #log: KernelLog;
  readonly #faultPoints: FaultPoints;
  readonly #enabled = new Map<PciDevice, readonly PciDevice[]>();
  /** Devices that are being changed. */
  readonly #changing = new Set<PciDevice>();

  constructor(bus: Bus, log: KernelLog, faultPoints: FaultPoints) {
    this.#bus = bus;
    this.#log = log;
    this.#faultPoints = faultPoints;
  }

  /** The virtual functions that a device has now. */
  of(device: PciDevice): readonly PciDevice[] {
    return this.#enabled.get(device) ?? [];
  }

  /** `count` new functions: or -EOPNOTSUPP, -EBUSY when there are some, -EINVAL, -ENOMEM, also when their registers have no place. */
  *enable(device: PciDevice, count: number): Script<readonly PciDevice[] | number> {
    const { sriov } = device;
    if (sriov === null) return -EOPNOTSUPP;
    if (this.of(device).length > 0 || this.#changing.has(device)) return -EBUSY;
    if (!Number.isInteger(count) || count < 1 || count > sriov.total) return -EINVAL;
    if (sriov.bars.size < sriov.barCount) return -ENOMEM;
    this.#changing.add(device);
    const result = yield* this.#enable(device, sriov, count);
    if (typeof result === 'number') yield* this.#setCount(device, sriov, 0);
    this.#changing.delete(device);
    return result;
  }

  *disable(device: PciDevice): Script {
    const { sriov } = device;
    if (sriov === null || !this.#enabled.delete(device)) return;
    this.#changing.add(device);
    yield* this.#control(device, sriov, false);
    yield AFTER_DISABLE;
    yield* this.#setCount(device, sriov, 0);
    this.#changing.delete(device);
  }

  *#enable(device: PciDevice, sriov: SingleRoot, count: number): Script<readonly PciDevice[] | number> {
    const { rid, above } = device;
    yield* this.#setCount(device, sriov, count);
    for (let n = 0; n < count; n++) if (this.#faultPoints.refuses('PCI function')) return -ENOMEM;
    const functions = yield* this.#describe(device, sriov, count);
    // Only buses that lead to the device can have functions of it.
    const last = above?.subordinate ?? rid >>> 8;
    if (functions.some((fn) => fn.rid <= rid || fn.rid >>> 8 > last)) return -EINVAL;
    // And without ARI only eight function numbers on its own bus.
    const isElsewhere = (fn: PciDevice) => fn.rid >>> 8 === rid >>> 8 && fn.rid >>> 3 !== rid >>> 3;
    if (above?.ari !== true && functions.some(isElsewhere)) return -EINVAL;
    yield* this.#control(device, sriov, true);
    yield AFTER_ENABLE;
    this.#enabled.set(device, functions);
    this.#log.write(`pci ${device.address}: ${count} virtual functions from ${functions[0]!.address} on`);
    return functions;
  }

  /** Where they will be: the places may depend on their number. What a function is stands in the physical one. */
  *#describe(physical: PciDevice, { at, bars }: SingleRoot, count: number): Script<PciDevice[]> {
    const words = new Uint32Array(SRIOV_CAPABILITY.$.words);
    for (const n of [PLACES, DEVICE]) words[n] = (yield* wordAt(this.#bus, physical.rid, at + n * 4))[0]!;
    const { FIRST_VF_OFFSET, VF_STRIDE, VF_DEVICE_ID } = SRIOV_CAPABILITY;
    return Array.from({ length: count }, (_, index) => {
      const rid = (physical.rid + FIRST_VF_OFFSET.get(words) + index * VF_STRIDE.get(words)) & 0xffff;
      const own = [...bars.values()].map((bar): Bar => ({ ...bar, address: bar.address + index * bar.bytes }));
      return {
        ...physical,
        rid,
        address: formatRid(rid),
        device: VF_DEVICE_ID.get(words),
        portType: PortType.ENDPOINT,
        isMultiFunction: false,
        acs: null,
        requester: requesterOf(rid, physical.above),
        bars: new Map(own.map((bar) => [bar.index, bar])),
        sriov: null,
      };
    });
  }

  #setCount({ rid }: PciDevice, { at }: SingleRoot, count: number): Script {
    return this.#bus.configWrite(rid, at + NUM_VFS * 4, 2, count);
  }

  *#control({ rid, above }: PciDevice, { at }: SingleRoot, on: boolean): Script {
    const bit = on ? 1 : 0;
    const hierarchy = { ARI_CAPABLE_HIERARCHY: above?.ari === true ? 1 : 0 };
    const words = encode(SRIOV_CAPABILITY, { VF_ENABLE: bit, VF_MEMORY_SPACE_ENABLE: bit, ...hierarchy });
    yield* this.#bus.configWrite(rid, at + CONTROL * 4, 2, words[CONTROL]!);
  }
}
