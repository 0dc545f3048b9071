/** A unit with memory, and devices with TLBs of their own, driven as software and devices drive them. */
import { highHalf, lowHalf, numberOf } from '../../../hardware/bits/index.ts';
import {
  Access,
  AddressType,
  type EntryCacheSpec,
  type IotlbSpec,
  NO_PASID,
  REPLACEMENT_POLICIES,
  Translation,
} from '../../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { VtdUnit } from '../../../hardware/vtd/index.ts';
import type { Fault } from '../../../hardware/vtd/spec/index.ts';
import { DeviceTlb, rangeOf } from '../../caching/device-tlb.ts';
import type { Dice } from '../../caching/dice.ts';
import { HOLE, HOLE_BYTES } from '../../caching/radix.ts';
import type { Hardware } from '../../caching/sequence.ts';
import { capabilities } from '../capability.ts';
import { FULL } from '../scalable.ts';
import { type Command, descriptor, registerWrites } from './commands.ts';
import { faulted, type Place, type Request, reached, STOPPED, translated } from './requests.ts';
import { HOST_BITS, type Setting } from './world.ts';

const REG = { GCMD: 0x18, RTADDR: 0x20, FSTS: 0x34, IQT: 0x88, IQA: 0x90 } as const;
const QUEUE = 0x8000;
const QUEUE_BYTES = 4096;
/** All there is, but for the hole. */
const RAM = [
  [0, HOLE],
  [HOLE + HOLE_BYTES, 2 ** 52 - HOLE - HOLE_BYTES],
] as const;

export const CACHES = ['iotlb', 'contextCache', 'pasidCache', 'firstStageCache', 'secondStageCache'] as const;
export type CacheName = (typeof CACHES)[number];
/** Sizes of the caches that are on. */
export type CacheSpecs = Partial<Record<CacheName, IotlbSpec>>;

export function drawCaches(dice: Dice, on: readonly CacheName[]): CacheSpecs {
  return Object.fromEntries(
    on.map((name): [CacheName, IotlbSpec] => {
      const policy = dice.pick(REPLACEMENT_POLICIES);
      const isLarge = dice.chance(60);
      return [name, { sets: isLarge ? 8 : dice.pick([1, 2]), ways: isLarge ? 4 : dice.pick([1, 2, 4]), policy }];
    }),
  );
}

export class Machine implements Hardware<Request, Command> {
  readonly unit: VtdUnit;
  readonly memory = new PhysicalMemory(RAM);
  readonly #setting: Setting;
  readonly #entryBytes: number;
  readonly #t = new Translation<Fault>();
  readonly #deviceTlbs = new Map<number, DeviceTlb>();
  #tail = 0;

  constructor(setting: Setting, caches: CacheSpecs) {
    const isScalable = setting.scalable;
    const entryCache = (spec: IotlbSpec | undefined): EntryCacheSpec | null => spec ?? null;
    const shared = { cm: setting.cm, psi: setting.psi, sagaw: 0b1110, mgaw: 57 };
    this.unit = new VtdUnit(
      {
        capabilities: capabilities(isScalable ? { ...FULL, ...shared } : shared),
        hostAddressWidth: HOST_BITS,
        faultCompression: false,
        iotlb: caches.iotlb ?? null,
        contextCache: entryCache(caches.contextCache),
        pasidCache: entryCache(caches.pasidCache),
        firstStageCache: caches.firstStageCache ?? null,
        secondStageCache: caches.secondStageCache ?? null,
        interruptEntryCache: null,
      },
      { memory: this.memory, raiseMsi: () => {} },
    );
    this.#setting = setting;
    this.#entryBytes = isScalable ? 32 : 16;
    for (const sid of setting.sids) this.#deviceTlbs.set(sid, new DeviceTlb());
    this.unit.devices.taker = (message) => {
      if (message.kind !== 'invalidate') return;
      const pasid = message.global ? null : (message.pasid ?? NO_PASID);
      this.#deviceTlbs.get(message.requester)?.invalidate({ pasid, ...rangeOf(message.address, message.isRange) });
    };
  }

  /** Latches the root table, and switches the queue and remapping on. */
  start(root: number): void {
    const isScalable = this.#setting.scalable;
    this.unit.write(REG.RTADDR, 8, BigInt(root) | (isScalable ? 0x400n : 0n));
    this.unit.write(REG.GCMD, 4, 0x4000_0000n);
    this.unit.write(REG.IQA, 8, BigInt(QUEUE) | (isScalable ? 0x800n : 0n));
    this.unit.write(REG.GCMD, 4, this.#setting.registers ? 0x8000_0000n : 0x8400_0000n);
  }

  readonly put = (address: number, words: readonly bigint[]): void => {
    words.forEach((word, i) => {
      this.memory.write64(address + i * 8, word);
    });
  };

  invalidate(command: Command): void {
    if (this.#setting.registers) {
      for (const [offset, value] of registerWrites(command)) this.unit.write(offset, 8, value);
      return;
    }
    const [lo, hi] = descriptor(command);
    this.put(QUEUE + this.#tail, this.#setting.scalable ? [lo, hi, 0n, 0n] : [lo, hi]);
    this.#tail = (this.#tail + this.#entryBytes) % QUEUE_BYTES;
    this.unit.write(REG.IQT, 8, BigInt(this.#tail));
    if ((this.unit.read(REG.FSTS, 4) & 0x10n) !== 0n) throw new Error(`refused: ${JSON.stringify(command)}`);
  }

  access(request: Request): number {
    return this.#access(request, (t) => this.unit.translate(t));
  }

  accessAround(request: Request, steps: number, meanwhile: () => void): number {
    let isDone = false;
    const once = (): void => {
      if (!isDone) meanwhile();
      isDone = true;
    };
    const answer = this.#access(request, (t) => this.#walkAround(t, steps, once));
    once();
    return answer;
  }

  #walkAround(t: Translation<Fault>, steps: number, meanwhile: () => void): void {
    if (this.unit.hit(t)) return;
    const walk = this.unit.walk(t);
    for (let done = 0; ; done++) {
      if (done === steps) meanwhile();
      const step = walk.next();
      if (step.done === true) break;
      this.memory.perform(step.value);
    }
    this.unit.report(t);
  }

  #access({ place, way, write }: Request, answer: (t: Translation<Fault>) => void): number {
    const t = this.#t;
    const access = write ? Access.WRITE : Access.READ;
    if (way === 'untranslated') {
      answer(this.#ask(place, access, AddressType.UNTRANSLATED, place.address));
      return t.fault === null ? reached(numberOf(t.hpaHi, t.hpaLo)) : faultOf(t);
    }
    if (way === 'translation') {
      this.#askTranslation(place, answer);
      return t.fault === null
        ? translated(t.leaf.rights === 0 ? 0 : numberOf(t.hpaHi, t.hpaLo), t.leaf.rights)
        : faultOf(t);
    }
    const tlb = this.#deviceTlbs.get(place.sid)!;
    let entry = tlb.find(place, access);
    if (entry === null) {
      const before = tlb.invalidations;
      this.#askTranslation(place, answer);
      const { rights, frameHi, frameLo, shift } = t.leaf;
      if (t.fault !== null) return faultOf(t);
      if ((rights & access) === 0) return STOPPED;
      entry = { rights, frame: numberOf(frameHi, frameLo), size: 2 ** shift };
      if (tlb.invalidations === before) tlb.insert(place, entry);
    }
    const hpa = entry.frame + (place.address % entry.size);
    answer(this.#ask(place, access, AddressType.TRANSLATED, hpa));
    return t.fault === null ? reached(numberOf(t.hpaHi, t.hpaLo)) : faultOf(t);
  }

  /** A translation request counts as a write: the unit does not heed NW. */
  #askTranslation(place: Place, answer: (t: Translation<Fault>) => void): void {
    answer(this.#ask(place, Access.READ | Access.WRITE, AddressType.TRANSLATION, place.address));
  }

  #ask({ sid, pasid, privileged }: Place, access: number, type: number, address: number): Translation<Fault> {
    const asked = access | (privileged ? Access.PRIVILEGED : 0);
    this.#t.ask(sid, pasid, asked, highHalf(address), lowHalf(address));
    this.#t.addressType = type;
    return this.#t;
  }
}

function faultOf({ fault, recorded }: Translation<Fault>): number {
  return faulted(fault!.code, recorded);
}
