/** Software of a VT-d unit for the contract, in literal bits (vtd.md sections 1, 2, 3, 5 and 9). */
import { Access, NO_PASID } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import {
  type IommuDriver,
  type IommuSubject,
  type Page,
  REQUESTER,
  type Report,
  type Target,
} from '../../contracts/iommu-bench.ts';
import { bareUnit } from '../../vtd/bare-unit.ts';
import { capabilities } from '../../vtd/capability.ts';
import { contextWords, FULL, Pgtt, pasidWords } from '../../vtd/scalable.ts';
import { REG } from '../../vtd/tables.ts';
import { Pages, put, Radix } from './radix.ts';

const PQH = 0xc0;
const PQT = 0xc8;
const PQA = 0xd0;
const RECORDS = 4;
const PASID = 5;

const ROOT = 0x1000;
const CONTEXTS = 0x2000;
const DIRECTORY = 0x3000;
const PASIDS = 0x4000;
const QUEUE = 0x5000;
const INTERRUPTS = 0x6000;
const REQUESTS = 0x7000;
const TABLES = 0x10_0000;

const GCMD = { SRTP: 0x4000_0000n, SIRTP: 0x0100_0000n, ON: 0x8600_0000n } as const;

/** P, RW, US, A and D; and PS above the first level. */
const FIRST = {
  levels: 4,
  table: (_: number, at: bigint) => at | 0x27n,
  leaf: (level: number, at: bigint, rights: number) => at | (rights === Access.READ ? 0x65n : 0x67n) | ps(level),
};
const SECOND = {
  levels: 4,
  table: (_: number, at: bigint) => at | 3n,
  leaf: (level: number, at: bigint, rights: number) => at | BigInt(rights) | ps(level),
};
const ps = (level: number): bigint => (level > 1 ? 0x80n : 0n);

type Mode = 'legacy' | 'pass-through' | keyof typeof SCALABLE;
const SCALABLE = {
  'scalable, first stage': Pgtt.FIRST,
  'scalable, second stage': Pgtt.SECOND,
  nested: Pgtt.NESTED,
} as const;

class VtdDriver implements IommuDriver {
  readonly unit;
  readonly #memory: PhysicalMemory;
  readonly #mode: Mode;
  #pages: Radix | null = null;
  #tail = 0;

  constructor(memory: PhysicalMemory, mode: Mode) {
    const caches = {
      iotlb: { sets: 8, ways: 4 },
      contextCache: { sets: 4, ways: 4 },
      pasidCache: { sets: 4, ways: 4 },
    };
    const structures = { firstStageCache: { sets: 4, ways: 4 }, secondStageCache: { sets: 4, ways: 4 } };
    const more = { interruptEntryCache: { sets: 4, ways: 4 }, capabilities: capabilities({ ...FULL, nfr: RECORDS }) };
    this.unit = bareUnit({ ...caches, ...structures, ...more }, { memory });
    this.#memory = memory;
    this.#mode = mode;
  }

  get #pgtt(): number | null {
    return this.#mode in SCALABLE ? SCALABLE[this.#mode as keyof typeof SCALABLE] : null;
  }

  enable(): void {
    const memory = this.#memory;
    const taken = new Pages(TABLES);
    for (const table of [ROOT, CONTEXTS, DIRECTORY, PASIDS, INTERRUPTS]) memory.write(table, new Uint8Array(4096));
    memory.write(TABLES, new Uint8Array(0x2_0000));
    const pgtt = this.#pgtt;
    const isFirst = pgtt === Pgtt.FIRST || pgtt === Pgtt.NESTED;
    const pages = new Radix(memory, taken, isFirst ? FIRST : SECOND);
    this.#pages = pages;
    put(memory, ROOT, BigInt(CONTEXTS) | 1n);
    if (pgtt === null) {
      const [top, type] = this.#mode === 'legacy' ? [BigInt(pages.top), 0n] : [0n, 8n];
      put(memory, CONTEXTS + REQUESTER * 16, top | type | 1n, 0x102n);
    } else {
      const host = new Radix(memory, taken, SECOND);
      if (pgtt === Pgtt.NESTED) host.identity();
      const tops = {
        fsptptr: BigInt(isFirst ? pages.top : 0),
        ssptptr: BigInt(isFirst ? host.top : pages.top),
      };
      put(memory, CONTEXTS + REQUESTER * 32, ...contextWords({ directory: BigInt(DIRECTORY), pre: true }));
      put(memory, DIRECTORY, BigInt(PASIDS) | 1n);
      put(memory, PASIDS + PASID * 64, ...pasidWords({ pgtt, aw: 2, did: 1, ...tops }));
    }
    const { unit } = this;
    unit.write(REG.RTADDR, 8, BigInt(ROOT) | (pgtt === null ? 0n : 0x400n));
    unit.write(REG.IRTA, 8, BigInt(INTERRUPTS) | 7n);
    unit.write(REG.GCMD, 4, GCMD.SRTP);
    unit.write(REG.GCMD, 4, GCMD.SIRTP);
    this.#tail = 0;
    unit.write(REG.IQT, 8, 0n);
    unit.write(REG.IQA, 8, BigInt(QUEUE) | (pgtt === null ? 0n : 0x800n));
    unit.write(REG.GCMD, 4, GCMD.ON);
    unit.write(PQA, 8, BigInt(REQUESTS));
  }

  map({ iova, to, shift, rights }: Page): void {
    this.#pages!.map(iova, to, shift, rights);
  }

  route(index: number, target: Target | null): void {
    const entry = target === null ? 0n : 1n | (BigInt(target.vector) << 16n) | (BigInt(target.destination) << 40n);
    put(this.#memory, INTERRUPTS + index * 16, entry, 0n);
  }

  /** The remappable format. */
  message(index: number): readonly [number, number] {
    return [0xfee0_0010 | (index << 5), 0];
  }

  /** Everything: context entries, PASID entries, translations, interrupt entries. */
  invalidate(): void {
    const pasids: readonly bigint[] = this.#pgtt === null ? [] : [0x37n];
    for (const lo of [0x11n, ...pasids, 0x12n, 0x4n]) this.#submit(lo, 0n);
  }

  reports(): Report[] {
    const found: Report[] = [];
    for (let n = 0; n < RECORDS; n++) {
      const at = REG.FRCD + n * 16;
      const [lo, hi] = [this.unit.read(at, 8), this.unit.read(at + 8, 8)];
      if (hi >> 63n === 0n) continue;
      const isInterrupt = ((hi >> 36n) & 0xfn) === 2n;
      const hasPasid = ((hi >> 31n) & 1n) !== 0n;
      found.push({
        kind: isInterrupt ? 'interrupt' : ((hi >> 62n) & 1n) !== 0n ? 'read' : 'write',
        requester: Number(hi & 0xffffn),
        pasid: hasPasid ? Number((hi >> 40n) & 0xf_ffffn) : NO_PASID,
        page: Number(lo & ~0xfffn),
      });
      this.unit.write(at + 12, 4, 0x8000_0000n);
    }
    return found;
  }

  answerPageRequests(): void {
    const { unit } = this;
    for (let head = unit.read(PQH, 8); head !== unit.read(PQT, 8); head = (head + 32n) % 4096n) {
      const [lo, hi] = [0, 8].map((offset) => this.#memory.read64(REQUESTS + Number(head) + offset)!);
      const isLast = (hi! & 4n) !== 0n;
      // PP, requester and PASID as they came; PRGI.
      if (isLast) this.#submit((lo! & 0x000f_ffff_ffff_0000n) | ((lo! >> 4n) & 0x10n) | 9n, hi! & 0xff8n);
      unit.write(PQH, 8, (head + 32n) % 4096n);
    }
  }

  #submit(lo: bigint, hi: bigint): void {
    const words = this.#pgtt === null ? [lo, hi] : [lo, hi, 0n, 0n];
    put(this.#memory, QUEUE + this.#tail, ...words);
    this.#tail = (this.#tail + words.length * 8) % 4096;
    this.unit.write(REG.IQT, 8, BigInt(this.#tail));
  }
}

const MODES: readonly Mode[] = ['legacy', 'scalable, first stage', 'scalable, second stage', 'nested', 'pass-through'];

export const VTD: readonly IommuSubject[] = MODES.map((mode) => ({
  name: `VT-d, ${mode}`,
  pasid: mode in SCALABLE ? PASID : NO_PASID,
  passes: mode === 'pass-through',
  registerBytes: 4096,
  drive: (memory) => new VtdDriver(memory, mode),
}));
