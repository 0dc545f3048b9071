/**
 * Writes the tables of VT-d scalable mode with literal bit arithmetic, from vtd.md sections 2.1 to 2.6, 3.1, 3.2 and
 * 5.2 and not from the layouts under test. First-stage tables stand at `tableAt`, those of the second stage at
 * `secondAt`; the second stage maps the first 2 MiB to themselves, page by page.
 */
import type { DmaResult } from '../../hardware/index.ts';
import type { Capability } from './capability.ts';
import {
  Bench,
  type BenchOptions,
  BOTH,
  CONTEXT,
  CONTEXT_BUS_1,
  DATA,
  QUEUE,
  REG,
  ROOT,
  SID,
  tableAt,
} from './tables.ts';

export const DIRECTORY = 0x5000n;
export const PASIDS = 0x6000n;
export const HPT = 0x8000n;
/** RAM ends here, so that every address above results in an error. */
export const RAM = [[0n, 0x100_0000n]] as const;
export const HOLE = 0x4000_0000n;

/** First-stage entries: P, R/W, U/S, A, D, PS and EA. */
export const FS = { P: 1n, RW: 2n, US: 4n, A: 0x20n, D: 0x40n, PS: 0x80n, EA: 0x400n } as const;
/** A present first-stage entry that grants everything. */
export const ALL = 7n;
/** Second-stage flags. */
export const SS = { A: 0x100n, D: 0x200n, SNP: 0x800n } as const;

/** PGTT. */
export const Pgtt = { FIRST: 1, SECOND: 2, NESTED: 3, PASS: 4 } as const;

export const secondAt = (level: number): bigint => 0x1_8000n + BigInt(level) * 0x1000n;

/** PASID of requests with PASID, and RID_PASID. */
export const PASID = 5;
export const RID_PASID = 2;
export const DOMAIN = 7;

/** Everything that scalable mode can have; addresses of 5 levels at both stages. */
export const FULL: Capability = {
  major: 6,
  sagaw: 0b01110,
  mgaw: 57,
  nfr: 1,
  fs1gp: true,
  fs5lp: true,
  nest: true,
  prs: true,
  srs: true,
  eafs: true,
  pss: 19,
  pasid: true,
  smts: true,
  ssads: true,
  ssts: true,
  fsts: true,
  smpwcs: true,
  rps: true,
  rprivs: true,
  hpts: true,
  ptrs: true,
  hpt1gps: true,
};

/** A PASID-table entry, field by field. */
export interface PasidFields {
  readonly p?: boolean;
  readonly fpd?: boolean;
  readonly pgtt?: number;
  readonly aw?: number;
  readonly ssade?: boolean;
  readonly ssptptr?: bigint;
  readonly did?: number;
  readonly pwsnp?: boolean;
  readonly pgsnp?: boolean;
  readonly sre?: boolean;
  readonly fspm?: number;
  readonly wpe?: boolean;
  readonly eafe?: boolean;
  readonly fsptptr?: bigint;
  readonly hptsz?: number;
  readonly hptptr?: bigint;
  /** Bits to set besides, by number. */
  readonly bits?: readonly number[];
}

const at = (n: number, on: boolean | undefined): bigint => (on === true ? 1n << BigInt(n) : 0n);

export function pasidWords(f: PasidFields): bigint[] {
  const { fspm = 0, pgtt = Pgtt.FIRST, aw = 2 } = f;
  const words = [
    at(0, f.p ?? true) |
      at(1, f.fpd) |
      (BigInt(aw) << 2n) |
      (BigInt(pgtt) << 6n) |
      at(9, f.ssade) |
      (f.ssptptr ?? secondAt(aw + 2)),
    BigInt(f.did ?? DOMAIN) | at(23, f.pwsnp ?? true) | at(24, f.pgsnp),
    at(0, f.sre) | (BigInt(fspm) << 2n) | at(4, f.wpe) | at(7, f.eafe) | (f.fsptptr ?? tableAt(fspm === 1 ? 5 : 4)),
    0n,
    BigInt(f.hptsz ?? 0) | (f.hptptr ?? HPT),
    0n,
    0n,
    0n,
  ];
  for (const n of f.bits ?? []) words[n >> 6]! |= 1n << BigInt(n & 63);
  return words;
}

/** A context entry of scalable mode: DTE, PASIDE, RID_PASID and what is given. */
export interface ContextFields {
  readonly p?: boolean;
  readonly fpd?: boolean;
  readonly dte?: boolean;
  readonly paside?: boolean;
  readonly pre?: boolean;
  readonly hpte?: boolean;
  readonly eptr?: boolean;
  readonly pdts?: number;
  readonly directory?: bigint;
  readonly ridPasid?: number;
  readonly ridPriv?: boolean;
  readonly bits?: readonly number[];
}

export function contextWords(f: ContextFields): bigint[] {
  const words = [
    at(0, f.p ?? true) |
      at(1, f.fpd) |
      at(2, f.dte ?? true) |
      at(3, f.paside ?? true) |
      at(4, f.pre) |
      at(5, f.hpte) |
      at(6, f.eptr) |
      (BigInt(f.pdts ?? 0) << 9n) |
      (f.directory ?? DIRECTORY),
    BigInt(f.ridPasid ?? RID_PASID) | at(20, f.ridPriv),
    0n,
    0n,
  ];
  for (const n of f.bits ?? []) words[n >> 6]! |= 1n << BigInt(n & 63);
  return words;
}

/** What a request may have besides its address. */
export interface Extra {
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  readonly addressType?: 'translated';
}

/** A descriptor of 256 bits: its first two 64-bit words. */
export type WideDescriptor = readonly [lo: bigint, hi: bigint];

export class ScalableBench extends Bench {
  #tail = 0n;

  constructor(options: BenchOptions = {}) {
    super({ ram: RAM, ...FULL, ...options });
  }

  /** Root and context entries, a directory, and the same PASID entry for PASID and RID_PASID, over full tables. */
  scalable(fields: PasidFields = {}, context: ContextFields = {}): this {
    this.root(CONTEXT | 1n, CONTEXT_BUS_1 | 1n);
    this.smContext(context);
    this.directory(PASIDS | 1n);
    this.pasid(PASID, fields).pasid(RID_PASID, fields);
    return this.firstTables().secondTables();
  }

  smContext(fields: ContextFields, sid = SID): this {
    const table = (sid & 0x80) === 0 ? CONTEXT : CONTEXT_BUS_1;
    return this.write64(table + BigInt(sid & 0x7f) * 32n, ...contextWords(fields));
  }

  directory(value: bigint, index = 0): this {
    return this.write64(DIRECTORY + BigInt(index) * 8n, value);
  }

  pasid(pasid: number, fields: PasidFields): this {
    return this.write64(PASIDS + BigInt(pasid % 64) * 64n, ...pasidWords(fields));
  }

  /** Every level points down at index 0; the page at 0 is DATA. */
  firstTables(): this {
    for (let level = 5; level > 1; level--) this.entry(level, 0, tableAt(level - 1) | ALL);
    return this.entry(1, 0, DATA | ALL);
  }

  /** Every level points down at index 0; the first 512 pages lie where they are. */
  secondTables(): this {
    for (let level = 5; level > 1; level--) this.second(level, 0, secondAt(level - 1) | BOTH);
    return this.write64(secondAt(1), ...Array.from({ length: 512 }, (_, i) => (BigInt(i) << 12n) | BOTH));
  }

  /** One entry of the standing second-stage table of a level. */
  second(level: number, index: number, value: bigint): this {
    return this.write64(secondAt(level) + BigInt(index) * 8n, value);
  }

  /** The second-stage PTE that maps the guest page at `address`. */
  mapPage(address: bigint, value: bigint): this {
    return this.second(1, Number(address >> 12n), value);
  }

  /** TTM=01. */
  on(rtaddr = ROOT | 0x400n): this {
    return this.enable(rtaddr);
  }

  ask(address: bigint, write = false, extra: Extra = {}, length = 4): DmaResult {
    const body = write ? { data: new Uint8Array(length).fill(0xa5) } : { length };
    return this.rig.dma({ requester: SID, address, write, ...body, ...extra });
  }

  /** Puts descriptors of 256 bits into the queue; switches it on first. */
  flush(...descriptors: readonly WideDescriptor[]): this {
    if ((this.get(REG.GSTS) & 0x0400_0000n) === 0n) {
      this.#tail = 0n;
      this.set(REG.IQT, 0n, 8)
        .set(REG.IQA, QUEUE | 0x800n, 8)
        .command(0x0400_0000n);
    }
    for (const [lo, hi] of descriptors) {
      this.write64(QUEUE + this.#tail, lo, hi, 0n, 0n);
      this.#tail = (this.#tail + 32n) % 4096n;
    }
    return this.set(REG.IQT, this.#tail, 8);
  }
}

/** The parts of a fault record that only scalable mode fills. */
export function extraOf([lo, hi]: readonly [bigint, bigint]) {
  return {
    fi: lo & ~0xfffn,
    pv: Number((hi >> 40n) & 0xfffffn),
    pp: Number((hi >> 31n) & 1n),
    exe: Number((hi >> 30n) & 1n),
    priv: Number((hi >> 29n) & 1n),
  };
}
