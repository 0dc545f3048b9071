/**
 * PCI: finds the functions by their configuration space, bridge by bridge; places base addresses and the windows above
 * them; switches access control on; and lets functions and bridges do what they may.
 *
 * Bus numbers are firmware's; a bridge whose numbers make no sense is left alone with everything behind it.
 */
import { encode, hex } from '../../../hardware/bits/index.ts';
import {
  BUS_NUMBERS,
  CapabilityId,
  CLASS_REVISION,
  COMMAND_STATUS,
  ExtendedCapabilityId,
  HEADER_TYPE,
  IDENTITY,
  MEMORY_WINDOW,
  PCIE_CAPABILITY,
  PortType,
  PREFETCHABLE_WINDOW,
  SRIOV_CAPABILITY,
  VF_BARS,
} from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Bus, Range } from '../bus.ts';
import { FaultPoints } from '../fault-points.ts';
import type { KernelLog } from '../log.ts';
import { switchAccessControlOn } from './access-control.ts';
import { chainedFunctions, forwardAllFunctions } from './ari.ts';
import { type BarSize, BaseAddresses } from './base-addresses.ts';
import { findCapability, findExtendedCapabilities } from './capabilities.ts';
import { bridgesAbove, formatRid, type PciBridge, type PciDevice, type PciFunction } from './device.ts';
import { requesterOf } from './groups.ts';
import { AddressRoom, inOrder, type Need, windowFor } from './windows.ts';

const NO_FUNCTION = 0xffff;
const FUNCTIONS = 8;
const DEVICES_PER_BUS = 32;
const LAST_BUS = 0xff;
const BRIDGE_LAYOUT = 1;
/** Memory base and limit that forward nothing: the limit lies below the base. */
const CLOSED = 0x0000_fff0;
const MIB_SHIFT = 20;
const ASKED_OF_BRIDGES = [ExtendedCapabilityId.ACCESS_CONTROL_SERVICES];
const ASKED = [...ASKED_OF_BRIDGES, ExtendedCapabilityId.SINGLE_ROOT_IO_VIRTUALIZATION];
/** Registers of the SR-IOV capability. */
const VF_CONTROL = 0x08;
const VF_PAGE_SIZE = 0x20;

/** A function below a bridge that has no place yet, or a bridge with such functions. */
type Waiting = Need &
  (
    | { readonly kind: 'bar'; readonly rid: number; readonly bar: BarSize }
    | { readonly kind: 'bridge'; readonly bridge: PciBridge; readonly inside: readonly Waiting[] }
  );

type Identity = Pick<PciFunction, 'vendor' | 'device' | 'classCode' | 'isMultiFunction'> & {
  readonly isBridge: boolean;
};

export class Pci {
  /** Bridges that were found, from the root complex downwards. */
  readonly bridges: PciBridge[] = [];
  readonly #bus: Bus;
  readonly #log: KernelLog;
  readonly #room: AddressRoom;
  readonly #faultPoints: FaultPoints;
  readonly #opensBridges: boolean;
  readonly #bars: BaseAddresses;
  readonly #rootBuses: number[] = [];
  /** Devices below bridges, whose base addresses come when the size of the bridge's window is known. */
  readonly #found: PciDevice[] = [];

  /** `opensBridges`: bridges let requests of devices up as soon as they are found, or else only when `letRequestsUp` says so. */
  constructor(bus: Bus, log: KernelLog, [start, length]: Range, opensBridges = true, faultPoints = new FaultPoints()) {
    this.#faultPoints = faultPoints;
    this.#bus = bus;
    this.#log = log;
    this.#opensBridges = opensBridges;
    this.#room = new AddressRoom(start, start + length);
    this.#bars = new BaseAddresses(bus, log);
  }

  /** Bus numbers on which there may be functions. */
  get buses(): readonly number[] {
    const below = this.bridges.flatMap(({ secondary, subordinate }) =>
      Array.from({ length: subordinate - secondary + 1 }, (_, n) => secondary + n),
    );
    return [...new Set([...this.#rootBuses, ...below])];
  }

  /** Every function behind `buses` that is no bridge, in the order of their ids, with its registers placed and answering. */
  *enumerate(buses: readonly number[]): Script<PciDevice[]> {
    for (const bus of buses) {
      this.#rootBuses.push(bus);
      yield* this.#settle(yield* this.#scan(bus, null), this.#room);
    }
    return this.#found.sort((a, b) => a.rid - b.rid);
  }

  /** Lets a function issue memory requests, or stops it. */
  *setBusMaster({ rid }: PciFunction, on: boolean): Script {
    const command = yield* this.#word(rid, COMMAND_STATUS.$.offset!);
    const at = -COMMAND_STATUS.$.offset! / 4;
    COMMAND_STATUS.BUS_MASTER.set(command, on ? 1 : 0, at);
    yield* this.#bus.configWrite(rid, COMMAND_STATUS.$.offset!, 2, command[0]! & 0xffff);
  }

  /** From now on what is below bridges reaches what is above, from the root complex downwards. */
  *letRequestsUp(): Script {
    for (const bridge of this.bridges) yield* this.setBusMaster(bridge, true);
  }

  /** Looks at each slot of a bus, and behind bridges. Gives what waits for a place. */
  *#scan(bus: number, above: PciBridge | null): Script<Waiting[]> {
    const waiting: Waiting[] = [];
    // A link leads to one device.
    const isLink = above?.portType === PortType.ROOT_PORT || above?.portType === PortType.DOWNSTREAM_PORT;
    for (let slot = 0; slot < (isLink ? 1 : DEVICES_PER_BUS); slot++) {
      const first = (bus << 8) | (slot << 3);
      const numbers = above?.ari === true ? yield* chainedFunctions(this.#bus, first) : yield* this.#numbersOf(first);
      for (const n of numbers) {
        const identity = yield* this.#identify(first | n);
        if (identity === undefined) continue;
        waiting.push(...(yield* this.#take(first | n, above, identity)));
      }
    }
    return waiting;
  }

  /** Function numbers of a slot that are worth asking: none, the first, or all. */
  *#numbersOf(first: number): Script<number[]> {
    const identity = yield* this.#word(first, IDENTITY.$.offset!);
    if (IDENTITY.VENDOR_ID.get(identity, -IDENTITY.$.offset! / 4) === NO_FUNCTION) return [];
    const header = yield* this.#word(first, HEADER_TYPE.$.offset!);
    const isMultiFunction = HEADER_TYPE.MULTI_FUNCTION.isSet(header, -HEADER_TYPE.$.offset! / 4);
    return Array.from({ length: isMultiFunction ? FUNCTIONS : 1 }, (_, n) => n);
  }

  *#identify(rid: number): Script<Identity | undefined> {
    const identity = yield* this.#word(rid, IDENTITY.$.offset!);
    const at = -IDENTITY.$.offset! / 4;
    const vendor = IDENTITY.VENDOR_ID.get(identity, at);
    if (vendor === NO_FUNCTION) return undefined;
    const header = yield* this.#word(rid, HEADER_TYPE.$.offset!);
    const revision = yield* this.#word(rid, CLASS_REVISION.$.offset!);
    return {
      vendor,
      device: IDENTITY.DEVICE_ID.get(identity, at),
      classCode: CLASS_REVISION.CLASS_CODE.get(revision, -CLASS_REVISION.$.offset! / 4),
      // Who has another function number has siblings, whatever it says.
      isMultiFunction: HEADER_TYPE.MULTI_FUNCTION.isSet(header, -HEADER_TYPE.$.offset! / 4) || rid % FUNCTIONS !== 0,
      isBridge: HEADER_TYPE.LAYOUT.get(header, -HEADER_TYPE.$.offset! / 4) === BRIDGE_LAYOUT,
    };
  }

  /** Takes a function in, with everything behind it, or leaves it as it is. Gives what it needs. */
  *#take(rid: number, above: PciBridge | null, { isBridge, ...identity }: Identity): Script<Waiting[]> {
    if (this.#faultPoints.refuses('PCI function')) {
      this.#log.write(`pci ${formatRid(rid)}: no memory for it; it is left alone`);
      return [];
    }
    // On the root complex's own bus a single function has nobody to be kept from.
    const asks = isBridge || identity.isMultiFunction || above !== null;
    const [acsAt, sriovAt] = asks
      ? yield* findExtendedCapabilities(this.#bus, rid, isBridge ? ASKED_OF_BRIDGES : ASKED)
      : [];
    const express = asks ? yield* this.#express(rid) : null;
    const fn: PciFunction = {
      rid,
      address: formatRid(rid),
      ...identity,
      above,
      portType: express?.portType ?? null,
      acs: acsAt ? yield* switchAccessControlOn(this.#bus, rid, acsAt) : null,
    };
    this.#log.write(
      `pci ${fn.address}: ${hex(fn.vendor, 4)}:${hex(fn.device, 4)} class ${hex(fn.classCode, 6)}${isBridge ? ', a bridge' : ''}`,
    );
    if (isBridge) return yield* this.#takeBridge(fn, express?.slotAt ?? null);
    const sizes = yield* this.#bars.sizes(rid);
    const single = sriovAt ? yield* this.#singleRoot(rid, sriovAt, above?.ari === true) : null;
    const virtual = single?.sizes ?? [];
    const sriov = single && {
      at: sriovAt!,
      total: single.total,
      bars: this.#bars.of(rid, sriovAt! + VF_BARS),
      barCount: virtual.length,
    };
    this.#found.push({ ...fn, requester: requesterOf(rid, above), bars: this.#bars.of(rid), sriov });
    const own = sizes.map((bar): Waiting => ({ kind: 'bar', rid, bar, bytes: bar.bytes, align: bar.bytes }));
    // One virtual function behind the other.
    const array = virtual.map(
      (bar): Waiting => ({ kind: 'bar', rid, bar, bytes: bar.bytes * single!.total, align: bar.bytes }),
    );
    return [...own, ...array];
  }

  *#takeBridge(fn: PciFunction, slotAt: number | null): Script<Waiting[]> {
    const numbers = yield* this.#word(fn.rid, BUS_NUMBERS.$.offset!);
    const at = -BUS_NUMBERS.$.offset! / 4;
    const secondary = BUS_NUMBERS.SECONDARY_BUS.get(numbers, at);
    const subordinate = BUS_NUMBERS.SUBORDINATE_BUS.get(numbers, at);
    if (!this.#canBe(fn, secondary, subordinate)) {
      this.#log.write(`pci ${fn.address}: its bus numbers ${secondary}-${subordinate} cannot be; it is skipped`);
      return [];
    }
    const ari = yield* forwardAllFunctions(this.#bus, fn.rid, fn.portType, secondary << 8);
    const bridge: PciBridge = { ...fn, secondary, subordinate, ari, slotAt };
    this.bridges.push(bridge);
    const inside = yield* this.#scan(secondary, bridge);
    return [{ kind: 'bridge', bridge, inside, ...windowFor(inside) }];
  }

  /** Below the bus of the bridge, within the numbers of the one above it, and nobody else's. */
  #canBe(fn: PciFunction, secondary: number, subordinate: number): boolean {
    const outer = fn.above?.subordinate ?? LAST_BUS;
    if (secondary <= fn.rid >>> 8 || subordinate < secondary || subordinate > outer) return false;
    const above = new Set(bridgesAbove(fn));
    const others = this.bridges.filter((bridge) => !above.has(bridge));
    return (
      !this.#rootBuses.some((bus) => bus >= secondary && bus <= subordinate) &&
      !others.some((bridge) => bridge.secondary <= subordinate && bridge.subordinate >= secondary)
    );
  }

  /** Gives everything that waits a place in `room`, and opens it. */
  *#settle(waiting: readonly Waiting[], room: AddressRoom): Script {
    for (const one of inOrder(waiting)) {
      const address = one.bytes === 0 ? 0 : this.#place(one, room);
      if (one.kind === 'bar') yield* this.#bars.place(one.rid, one.bar, address);
      else yield* this.#openBridge(one.bridge, one.inside, one.bytes, address);
    }
    const rids = waiting.flatMap((one) => (one.kind === 'bar' ? [one.rid] : []));
    for (const rid of new Set(rids)) yield* this.#bars.answer(rid);
  }

  #place({ bytes, align }: Need, room: AddressRoom): number | undefined {
    return this.#faultPoints.refuses('addresses of registers') ? undefined : room.take(bytes, align);
  }

  *#openBridge({ rid, address: name }: PciBridge, inside: readonly Waiting[], bytes: number, start?: number): Script {
    if (start === undefined) this.#log.write(`pci ${name}: no room for a window of ${bytes} bytes`);
    const isOpen = start !== undefined && bytes > 0;
    const last = isOpen ? (start + bytes - 1) >>> MIB_SHIFT : 0;
    const window = isOpen ? ((start >>> MIB_SHIFT) << 4) | (last << 20) : CLOSED;
    yield* this.#bus.configWrite(rid, MEMORY_WINDOW.$.offset!, 4, window >>> 0);
    yield* this.#bus.configWrite(rid, PREFETCHABLE_WINDOW.$.offset!, 4, CLOSED);
    const on = COMMAND_STATUS.MEMORY_SPACE.mask | (this.#opensBridges ? COMMAND_STATUS.BUS_MASTER.mask : 0);
    yield* this.#bus.configWrite(rid, COMMAND_STATUS.$.offset!, 2, on);
    yield* this.#settle(inside, isOpen ? new AddressRoom(start, start + bytes) : new AddressRoom(0, 0));
  }

  /** How many virtual functions there can be, and what each has: with pages of 4 KiB, and none of them enabled. */
  *#singleRoot(rid: number, at: number, ari: boolean): Script<{ readonly total: number; readonly sizes: BarSize[] }> {
    const { $, TOTAL_VFS } = SRIOV_CAPABILITY;
    yield* this.#bus.configWrite(
      rid,
      at + VF_CONTROL,
      2,
      encode(SRIOV_CAPABILITY, { ARI_CAPABLE_HIERARCHY: ari ? 1 : 0 })[2]!,
    );
    yield* this.#bus.configWrite(rid, at + VF_PAGE_SIZE, 4, 1);
    const words = new Uint32Array($.words);
    words[3] = (yield* this.#word(rid, at + 0x0c))[0]!;
    return { total: TOTAL_VFS.get(words), sizes: yield* this.#bars.sizesAt(rid, at + VF_BARS) };
  }

  /** What the PCI Express capability of a function says it is; `null` without one. */
  *#express(rid: number): Script<{ readonly portType: number; readonly slotAt: number | null } | null> {
    const at = yield* findCapability(this.#bus, rid, CapabilityId.PCI_EXPRESS);
    if (at === 0) return null;
    const words = yield* this.#word(rid, at);
    const { PORT_TYPE, SLOT_IMPLEMENTED } = PCIE_CAPABILITY;
    return { portType: PORT_TYPE.get(words), slotAt: SLOT_IMPLEMENTED.isSet(words) ? at : null };
  }

  *#word(rid: number, offset: number): Script<Uint32Array> {
    return Uint32Array.of(yield* this.#bus.configRead(rid, offset, 4));
  }
}
