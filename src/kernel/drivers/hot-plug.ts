/**
 * The driver of ports with a slot (PCIe 6.7): it hears, by the port's interrupt, that what was below has been pulled out, and
 * says so to whoever has the devices. Nothing is asked of a device that has gone, and nobody waits for it.
 *
 * Not done: what is put into a slot stays unused until the next boot. Entries of who was there may still stand in the tables
 * of IOMMUs, as long as somebody has not let go of it; so the link to a slot that is empty is disabled.
 */
import { encode } from '../../../hardware/bits/index.ts';
import { PCIE_CAPABILITY } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { formatResult } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { Interrupts } from '../interrupts.ts';
import type { IommuDriver } from '../iommu/driver.ts';
import type { KernelLog } from '../log.ts';
import { type PciBridge, requesterOf, wordAt } from '../pci/index.ts';
import { DeviceInterrupts } from './device-interrupts.ts';

export interface HotPlugServices {
  readonly bus: Bus;
  readonly interrupts: Interrupts;
  readonly log: KernelLog;
  /** Takes note that everything below a port has gone. */
  readonly gone: (port: PciBridge) => void;
}

interface Slot {
  readonly port: PciBridge;
  /** Where the port's PCI Express capability is. */
  readonly at: number;
  isOccupied: boolean;
}

/** Where the capability's words with these registers are. */
const LINK = 0x10;
const SLOT_CAPABILITIES = 0x14;
const SLOT = 0x18;
const SLOT_STATUS = 0x1a;
const STATUS_SHIFT = 16;
/** What is read of a port that has gone itself. */
const NOBODY = 0xffff_ffff;

const P = PCIE_CAPABILITY;
/** Slot Control and Slot Status are one word. */
const [EVENTS, ENABLES] = [
  { PRESENCE_DETECT_CHANGED: 1, DATA_LINK_STATE_CHANGED: 1 },
  { PRESENCE_DETECT_CHANGED_ENABLE: 1, DATA_LINK_STATE_CHANGED_ENABLE: 1, HOT_PLUG_INTERRUPT_ENABLE: 1 },
].map((values) => encode(P, values)[SLOT / 4]!) as [number, number];

export class HotPlug {
  readonly #services: HotPlugServices;

  constructor(services: HotPlugServices) {
    this.#services = services;
  }

  /** Hears from now on of the slot below a port, if there is one; `iommu` is the unit that the port's messages come through. */
  *watch(port: PciBridge, iommu: IommuDriver): Script {
    const { bus, interrupts, log } = this.#services;
    const { rid, address, above, slotAt: at } = port;
    if (at === null) return;
    const capabilities = yield* wordAt(bus, rid, at + SLOT_CAPABILITIES);
    if (!P.HOT_PLUG_CAPABLE.isSet(capabilities, -SLOT_CAPABILITIES / 4)) return;
    const number = P.PHYSICAL_SLOT_NUMBER.get(capabilities, -SLOT_CAPABILITIES / 4);
    const slot: Slot = { port, at, isOccupied: true };
    const fn = { ...port, requester: requesterOf(rid, above), bars: new Map(), sriov: null };
    const vectors = new DeviceInterrupts({ bus, interrupts, iommu }, fn);
    const result = yield* vectors.request(0, `slot ${number}`, () => this.#serve(slot));
    if (result < 0) {
      log.write(`pci ${address}: nobody watches slot ${number}: ${formatResult(result)}`);
      return;
    }
    // What is remembered from before the devices were found says nothing about them.
    yield* this.#clear(slot, EVENTS);
    yield* bus.configWrite(rid, at + SLOT, 2, ENABLES);
    log.write(`pci ${address}: slot ${number} is watched`);
    if (!(yield* this.#isOccupied(slot))) yield* this.#empty(slot);
  }

  /** There is one interrupt for everything that has not been cleared: all of it, until nothing is left. */
  *#serve(slot: Slot): Script {
    for (;;) {
      const word = (yield* wordAt(this.#services.bus, slot.port.rid, slot.at + SLOT))[0]!;
      if (word === NOBODY || (word & EVENTS) === 0) return;
      yield* this.#clear(slot, word & EVENTS);
      // Whatever is there now has forgotten what the kernel told it: it is another device.
      yield* this.#empty(slot);
    }
  }

  *#empty(slot: Slot): Script {
    if (!slot.isOccupied) return;
    slot.isOccupied = false;
    const { port, at } = slot;
    const { bus, gone } = this.#services;
    gone(port);
    const control = yield* wordAt(bus, port.rid, at + LINK);
    P.LINK_DISABLE.set(control, 1, -LINK / 4);
    yield* bus.configWrite(port.rid, at + LINK, 2, control[0]! & 0xffff);
  }

  #clear({ port, at }: Slot, events: number): Script {
    return this.#services.bus.configWrite(port.rid, at + SLOT_STATUS, 2, events >>> STATUS_SHIFT);
  }

  /** Something is there, and can be reached. */
  *#isOccupied({ port, at }: Slot): Script<boolean> {
    const { bus } = this.#services;
    const status = yield* wordAt(bus, port.rid, at + SLOT);
    const link = yield* wordAt(bus, port.rid, at + LINK);
    return P.PRESENCE_DETECT.isSet(status, -SLOT / 4) && P.DATA_LINK_ACTIVE.isSet(link, -LINK / 4);
  }
}
