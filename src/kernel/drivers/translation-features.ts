/** PASID, page requests and ATS of a device: what it has, and in which order the kernel switches it on and off. */

import type { AnyLayout, Field } from '../../../hardware/bits/index.ts';
import {
  ATS_CAPABILITY,
  ExtendedCapabilityId,
  PASID_CAPABILITY,
  PRI_CAPABILITY,
} from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { Abilities } from '../iommu/driver.ts';
import { findExtendedCapability, isRedirected, isTranslatedBlocked, type PciDevice, wordAt } from '../pci/index.ts';

/** What a device is to be able to do. */
export interface DeviceRights {
  /** Send PASIDs. */
  readonly pasid?: boolean;
  /** Keep translations. */
  readonly ats?: boolean;
  /** Reach by what it has translated itself only what is mapped for it (VT-d's host permission tables); needs `ats`. */
  readonly hostPermissions?: boolean;
  /** Ask for pages that are not there, this many at a time; needs `ats`. */
  readonly pageRequests?: number;
}

/** Where each capability stands; 0 for one that the device does not have. */
interface Places {
  readonly ats: number;
  readonly pri: number;
  readonly pasid: number;
}

const CONTROL = 0x04;
/** What an Outstanding Page Request Allocation can say. */
const MOST_PAGE_REQUESTS = 2 ** 32 - 1;

export class TranslationFeatures {
  readonly #bus: Bus;
  readonly #rid: number;
  #places: Places | null = null;

  constructor(bus: Bus, rid: number) {
    this.#bus = bus;
    this.#rid = rid;
  }

  /** All that device and unit can do, page requests as many as the device can have; nothing where what it has translated is blocked. */
  *most(device: PciDevice, { deviceTlb, pageRequests, pasidBits }: Abilities): Script<DeviceRights> {
    const { ats: atsAt, pri, pasid } = yield* this.#find();
    const ats = atsAt !== 0 && deviceTlb && !isTranslatedBlocked(device);
    return {
      ats,
      pasid: pasid !== 0 && pasidBits > 0 && isRedirected(device),
      pageRequests: ats && pri !== 0 && pageRequests ? MOST_PAGE_REQUESTS : 0,
    };
  }

  /** What of `rights` the device has not: -EOPNOTSUPP, -EINVAL for what needs ATS without it; 0 when it can do all. */
  *refusal({ pasid = false, ats = false, pageRequests = 0, hostPermissions = false }: DeviceRights): Script<number> {
    const places = yield* this.#find();
    if ((pageRequests > 0 || hostPermissions) && !ats) return -EINVAL;
    const lacks = (pasid && places.pasid === 0) || (ats && places.ats === 0) || (pageRequests > 0 && places.pri === 0);
    return lacks ? -EOPNOTSUPP : 0;
  }

  /** PASIDs before ATS, because they must not change under it; ATS last. -EBUSY when page requests are not stopped. */
  *enable({ pasid = false, ats = false, pageRequests = 0 }: DeviceRights): Script<number> {
    const places = yield* this.#find();
    if (pasid) yield* this.#set(places.pasid, PASID_CAPABILITY, [PASID_CAPABILITY.ENABLE, 1]);
    if (pageRequests > 0) {
      const result = yield* this.#enablePageRequests(places.pri, pageRequests);
      if (result < 0) return result;
    }
    if (ats) {
      const { SMALLEST_TRANSLATION_UNIT, ENABLE } = ATS_CAPABILITY;
      yield* this.#set(places.ats, ATS_CAPABILITY, [SMALLEST_TRANSLATION_UNIT, 0], [ENABLE, 1]);
    }
    return 0;
  }

  /** In the opposite order. */
  *disable(): Script {
    const { ats, pri, pasid } = yield* this.#find();
    if (ats !== 0) yield* this.#set(ats, ATS_CAPABILITY, [ATS_CAPABILITY.ENABLE, 0]);
    if (pri !== 0) yield* this.#set(pri, PRI_CAPABILITY, [PRI_CAPABILITY.ENABLE, 0]);
    if (pasid !== 0) yield* this.#set(pasid, PASID_CAPABILITY, [PASID_CAPABILITY.ENABLE, 0]);
  }

  *#enablePageRequests(at: number, wanted: number): Script<number> {
    const { ENABLE, RESET, STOPPED, OUTSTANDING_PAGE_REQUEST_CAPACITY: CAPACITY } = PRI_CAPABILITY;
    yield* this.#set(at, PRI_CAPABILITY, [ENABLE, 0], [RESET, 1]);
    const status = yield* wordAt(this.#bus, this.#rid, at + CONTROL);
    if (!STOPPED.isSet(Uint32Array.of(0, status[0]!))) return -EBUSY;
    const capacity = yield* wordAt(this.#bus, this.#rid, at + 0x08);
    const most = CAPACITY.get(Uint32Array.of(0, 0, capacity[0]!));
    yield* this.#bus.configWrite(this.#rid, at + 0x0c, 4, Math.min(most, wanted));
    yield* this.#set(at, PRI_CAPABILITY, [ENABLE, 1], [RESET, 0]);
    return 0;
  }

  /** Sets fields of the word with the control register; what is cleared by writing 1 is left. */
  *#set(at: number, layout: AnyLayout, ...fields: readonly (readonly [Field, number])[]): Script {
    const words = Uint32Array.of(0, (yield* wordAt(this.#bus, this.#rid, at + CONTROL))[0]!);
    for (const [field, value] of fields) field.set(words, value);
    // The control register is 16 bits wide in all of them; in two of them it is the upper half.
    const upper = layout !== PRI_CAPABILITY;
    const half = upper ? words[1]! >>> 16 : words[1]! & 0xffff;
    yield* this.#bus.configWrite(this.#rid, at + CONTROL + (upper ? 2 : 0), 2, half);
  }

  *#find(): Script<Places> {
    if (this.#places === null) {
      const { ADDRESS_TRANSLATION_SERVICES, PAGE_REQUEST_INTERFACE, PASID } = ExtendedCapabilityId;
      this.#places = {
        ats: yield* findExtendedCapability(this.#bus, this.#rid, ADDRESS_TRANSLATION_SERVICES),
        pri: yield* findExtendedCapability(this.#bus, this.#rid, PAGE_REQUEST_INTERFACE),
        pasid: yield* findExtendedCapability(this.#bus, this.#rid, PASID),
      };
    }
    return this.#places;
  }
}
