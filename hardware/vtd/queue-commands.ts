/**
 * What each descriptor of the invalidation queue asks for (VT-d 6.5.2, 7.6.1), by type. A unit has the descriptors that
 * its capabilities and the translation table mode allow (table 26).
 */
import { reservedBits } from '../bits/index.ts';
import type { DeviceMessages, DeviceTlbInvalidation } from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { DeviceInvalidations } from './device-invalidations.ts';
import type { InterruptRemapper } from './interrupt-remapper.ts';
import type { Invalidator } from './invalidation.ts';
import {
  CONTEXT_CACHE_INVALIDATE,
  DESCRIPTORS,
  DEVICE_TLB_INVALIDATE,
  type DescriptorInfo,
  type DescriptorName,
  HPT_CACHE_INVALIDATE,
  INTERRUPT_ENTRY_CACHE_INVALIDATE,
  IOTLB_INVALIDATE,
  IotlbGranularity,
  Iqei,
  PAGE_GROUP_RESPONSE,
  PASID_CACHE_INVALIDATE,
  PASID_DEVICE_TLB_INVALIDATE,
  PASID_IOTLB_INVALIDATE,
  TranslationTableMode,
} from './spec/index.ts';
import type { WaitDescriptors } from './wait-descriptors.ts';

/** A descriptor is refused with a code of IQERCD.IQEI. */
export type Refusal = number;
/** Beside those codes: nothing is wrong, but the unit has no room for the descriptor before a device answers. */
export const DEFERRED = -2;
/** Carries a descriptor out. */
export type Run = (words: Uint32Array) => Refusal;

export interface Command {
  readonly reserved: Uint32Array;
  readonly run: Run;
}

export interface CommandSurroundings {
  readonly capabilities: Capabilities;
  readonly invalidator: Invalidator;
  readonly interrupts: InterruptRemapper;
  readonly devices: DeviceMessages;
  readonly deviceInvalidations: DeviceInvalidations;
}

const MODES = {
  legacy: TranslationTableMode.LEGACY,
  scalable: TranslationTableMode.SCALABLE,
  'abort-DMA': TranslationTableMode.ABORT_DMA,
} as const;

export class QueueCommands {
  readonly #unit: CommandSurroundings;
  readonly #waits: WaitDescriptors;
  /** By translation table mode, then by type. */
  readonly #commands: ReadonlyMap<number, ReadonlyMap<number, Command>>;

  constructor(unit: CommandSurroundings, waits: WaitDescriptors) {
    this.#unit = unit;
    this.#waits = waits;
    const modes = Object.keys(MODES) as (keyof typeof MODES)[];
    this.#commands = new Map(modes.map((mode) => [MODES[mode], this.#commandsOf(mode)]));
  }

  /** What a type means in a mode; `undefined` where it is invalid. */
  find(type: number, mode: number): Command | undefined {
    return this.#commands.get(mode)?.get(type);
  }

  #commandsOf(mode: keyof typeof MODES): Map<number, Command> {
    const { capabilities } = this.#unit;
    const runs: Readonly<Record<DescriptorName, Run>> = {
      CONTEXT_CACHE_INVALIDATE: (words) => this.#invalidateContexts(words),
      IOTLB_INVALIDATE: (words) => this.#invalidateIotlb(words),
      DEVICE_TLB_INVALIDATE: (words) => this.#invalidateDeviceTlb(words),
      INTERRUPT_ENTRY_CACHE_INVALIDATE: (words) => this.#invalidateInterrupts(words),
      INVALIDATION_WAIT: (words) => (this.#waits.take(words) ? Iqei.NONE : DEFERRED),
      PASID_IOTLB_INVALIDATE: (words) => this.#invalidatePasidIotlb(words),
      PASID_CACHE_INVALIDATE: (words) => this.#invalidatePasids(words),
      PASID_DEVICE_TLB_INVALIDATE: (words) => this.#invalidatePasidDeviceTlb(words),
      PAGE_GROUP_RESPONSE: (words) => this.#respond(words),
      HPT_CACHE_INVALIDATE: (words) => this.#invalidateHostPermissions(words),
    };
    const isPresent = ({ modes, needs }: DescriptorInfo): boolean =>
      modes.includes(mode) && needs.every((capability) => capabilities.has(capability));
    return new Map(
      DESCRIPTORS.filter(isPresent).map(({ type, name, layout, reservedWithout }) => {
        const reserved = reservedBits(layout, capabilities, reservedWithout);
        return [type, { reserved, run: runs[name] }];
      }),
    );
  }

  #invalidateContexts(words: Uint32Array): Refusal {
    const { G, DID, SID, FM } = CONTEXT_CACHE_INVALIDATE;
    const done = this.#unit.invalidator.contexts({
      granularity: G.get(words),
      domain: DID.get(words),
      requester: SID.get(words),
      functionMask: FM.get(words),
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #invalidateIotlb(words: Uint32Array): Refusal {
    const { G, DID, AM, IH, ADDR } = IOTLB_INVALIDATE;
    const { capabilities, invalidator } = this.#unit;
    const granularity = G.get(words);
    const order = AM.get(words);
    const tooWide =
      granularity === IotlbGranularity.PAGE && capabilities.has('PSI') && order > capabilities.maxAddressMask;
    if (tooWide) return Iqei.RESERVED_FIELD;
    const done = invalidator.iotlb({
      granularity,
      domain: DID.get(words),
      addressHi: words[3]! | 0,
      addressLo: words[2]! & ADDR.mask,
      order,
      leavesOnly: IH.isSet(words),
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #invalidatePasids(words: Uint32Array): Refusal {
    const { G, DID, PASID } = PASID_CACHE_INVALIDATE;
    const what = { granularity: G.get(words), domain: DID.get(words), pasid: PASID.get(words) };
    return this.#unit.invalidator.pasids(what) ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #invalidatePasidIotlb(words: Uint32Array): Refusal {
    const { G, DID, PASID, AM, IH, ADDR } = PASID_IOTLB_INVALIDATE;
    const done = this.#unit.invalidator.pasidIotlb({
      granularity: G.get(words),
      domain: DID.get(words),
      pasid: PASID.get(words),
      addressHi: words[3]! | 0,
      addressLo: words[2]! & ADDR.mask,
      order: AM.get(words),
      leavesOnly: IH.isSet(words),
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #invalidateDeviceTlb(words: Uint32Array): Refusal {
    const { SID, S, ADDR } = DEVICE_TLB_INVALIDATE;
    return this.#send({
      requester: SID.get(words),
      pasid: undefined,
      global: false,
      address: ADDR.big(words) << 12n,
      isRange: S.isSet(words),
    });
  }

  #invalidatePasidDeviceTlb(words: Uint32Array): Refusal {
    const { SID, PASID, GI, S, ADDR } = PASID_DEVICE_TLB_INVALIDATE;
    return this.#send({
      requester: SID.get(words),
      pasid: PASID.get(words),
      global: GI.isSet(words),
      address: ADDR.big(words) << 12n,
      isRange: S.isSet(words),
    });
  }

  #send(invalidation: DeviceTlbInvalidation): Refusal {
    return this.#unit.deviceInvalidations.send(invalidation, null) ? Iqei.NONE : DEFERRED;
  }

  #invalidateHostPermissions(words: Uint32Array): Refusal {
    const { G, HPTDID, AM, IH, ADDR } = HPT_CACHE_INVALIDATE;
    const done = this.#unit.invalidator.hostPermissions({
      granularity: G.get(words),
      domain: HPTDID.get(words),
      addressHi: words[3]! | 0,
      addressLo: words[2]! & ADDR.mask,
      order: AM.get(words),
      levels: IH.get(words) + 1,
    });
    return done ? Iqei.NONE : Iqei.INVALID_TYPE;
  }

  #respond(words: Uint32Array): Refusal {
    const { PP, RC, RID, PASID, PRGI } = PAGE_GROUP_RESPONSE;
    this.#unit.devices.respond({
      requester: RID.get(words),
      pasid: PP.isSet(words) ? PASID.get(words) : undefined,
      group: PRGI.get(words),
      code: RC.get(words),
    });
    return Iqei.NONE;
  }

  /** Interrupts in flight are drained by the wait descriptor's barrier. */
  #invalidateInterrupts(words: Uint32Array): Refusal {
    const { G, IIDX, IM } = INTERRUPT_ENTRY_CACHE_INVALIDATE;
    const range = { granularity: G.get(words), index: IIDX.get(words), order: IM.get(words) };
    return this.#unit.interrupts.invalidate(range) ? Iqei.NONE : Iqei.RESERVED_FIELD;
  }
}
