/** A unit with memory, driven as software and devices drive it. */
import { highHalf, lowHalf, numberOf } from '../../../hardware/bits/index.ts';
import {
  Access,
  type EntryCacheSpec,
  type IotlbSpec,
  REPLACEMENT_POLICIES,
  Translation,
} from '../../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { VtdUnit } from '../../../hardware/vtd/index.ts';
import type { Fault } from '../../../hardware/vtd/spec/index.ts';
import { capabilities } from '../capability.ts';
import { FULL } from '../scalable.ts';
import { type Command, descriptor } from './commands.ts';
import type { Dice } from './dice.ts';
import type { Query } from './twin.ts';
import { HOST_BITS, type Setting } from './world.ts';

const REG = { GCMD: 0x18, RTADDR: 0x20, FSTS: 0x34, IQT: 0x88, IQA: 0x90 } as const;
const QUEUE = 0x8000;
const QUEUE_BYTES = 4096;

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

export class Machine {
  readonly unit: VtdUnit;
  readonly memory = new PhysicalMemory();
  readonly #entryBytes: number;
  readonly #t = new Translation<Fault>();
  #tail = 0;

  constructor(setting: Setting, caches: CacheSpecs) {
    const entryCache = (spec: IotlbSpec | undefined): EntryCacheSpec | null => spec ?? null;
    const shared = { cm: setting.cm, psi: setting.psi, sagaw: 0b1110, mgaw: 57 };
    this.unit = new VtdUnit(
      {
        capabilities: capabilities(setting.scalable ? { ...FULL, ...shared } : shared),
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
    this.#entryBytes = setting.scalable ? 32 : 16;
  }

  /** Latches the root table, and switches the queue and remapping on. */
  start(root: number, scalable: boolean): void {
    this.unit.write(REG.RTADDR, 8, BigInt(root) | (scalable ? 0x400n : 0n));
    this.unit.write(REG.GCMD, 4, 0x4000_0000n);
    this.unit.write(REG.IQA, 8, BigInt(QUEUE) | (scalable ? 0x800n : 0n));
    this.unit.write(REG.GCMD, 4, 0x8400_0000n);
  }

  readonly put = (address: number, words: readonly bigint[]): void => {
    words.forEach((word, i) => {
      this.memory.write64(address + i * 8, word);
    });
  };

  invalidate(command: Command): void {
    const [lo, hi] = descriptor(command);
    this.put(QUEUE + this.#tail, this.#entryBytes === 32 ? [lo, hi, 0n, 0n] : [lo, hi]);
    this.#tail = (this.#tail + this.#entryBytes) % QUEUE_BYTES;
    this.unit.write(REG.IQT, 8, BigInt(this.#tail));
    if ((this.unit.read(REG.FSTS, 4) & 0x10n) !== 0n) throw new Error(`refused: ${JSON.stringify(command)}`);
  }

  /** The host address, or the negated code of the fault. */
  access(query: Query, write: boolean): number {
    const t = this.#ask(query, write);
    this.unit.translate(t);
    return answerOf(t);
  }

  /** As `access`, with `meanwhile` after some steps of the walk. */
  accessAround(query: Query, write: boolean, steps: number, meanwhile: () => void): number {
    const t = this.#ask(query, write);
    if (this.unit.hit(t)) return answerOf(t);
    const walk = this.unit.walk(t);
    for (let done = 0; ; done++) {
      if (done === steps) meanwhile();
      const step = walk.next();
      if (step.done === true) break;
      this.memory.perform(step.value);
    }
    this.unit.report(t);
    return answerOf(t);
  }

  #ask({ sid, pasid, address }: Query, write: boolean): Translation<Fault> {
    return this.#t.ask(sid, pasid, write ? Access.WRITE : Access.READ, highHalf(address), lowHalf(address));
  }
}

function answerOf(t: Translation<Fault>): number {
  return t.fault === null ? numberOf(t.hpaHi, t.hpaLo) : -t.fault.code;
}
