/**
 * Writes the tables and registers of VT-d legacy mode with literal bit arithmetic, from vtd.md sections 1, 2 and 3 and
 * not from the layouts under test, and drives a rig with them.
 */
import { createRig, type DeviceMessage, type DmaResult, type Rig, type RigOptions } from '../../hardware/index.ts';
import { type Capability, capabilities } from './capability.ts';

/** Byte offsets of registers, from vtd.md section 1.2. */
export const REG = {
  GCMD: 0x18,
  GSTS: 0x1c,
  RTADDR: 0x20,
  CCMD: 0x28,
  FSTS: 0x34,
  FECTL: 0x38,
  FEDATA: 0x3c,
  FEADDR: 0x40,
  FEUADDR: 0x44,
  IQH: 0x80,
  IQT: 0x88,
  IQA: 0x90,
  ICS: 0x9c,
  IECTL: 0xa0,
  IEDATA: 0xa4,
  IEADDR: 0xa8,
  IEUADDR: 0xac,
  IQERCD: 0xb0,
  IRTA: 0xb8,
  IVA: 0xf0,
  IOTLB: 0xf8,
  FRCD: 0x220,
} as const;

export const TE = 0x8000_0000n;
export const SRTP = 0x4000_0000n;
export const QIE = 0x0400_0000n;
export const IRE = 0x0200_0000n;
export const SIRTP = 0x0100_0000n;
export const CFI = 0x0080_0000n;

/** Where the tables lie; all of it in the first 2 MiB. */
export const ROOT = 0x1000n;
export const CONTEXT = 0x2000n;
export const CONTEXT_BUS_1 = 0x3000n;
/** One table per level: `TABLE + level * 4096`. */
export const TABLE = 0x1_0000n;
export const QUEUE = 0x2_0000n;
export const STATUS = 0x2_8000n;
export const IRT = 0x3_0000n;
/** Pages for data, and for more tables. */
export const DATA = 0x10_0000n;
export const SPARE = 0x4_0000n;

/** The device of most tests: bus 0, device 3, function 0. */
export const SID = 0x0018;
export const READ = 1n;
export const WRITE = 2n;
export const BOTH = 3n;
/** PS: the entry maps a large page. */
export const PS = 0x80n;
export const MESSAGE = 0xfee0_1000n;

export const tableAt = (level: number): bigint => TABLE + BigInt(level) * 0x1000n;

/** A fault recording register, field by field. */
export interface FaultRecord {
  readonly f: boolean;
  readonly fr: number;
  readonly sid: number;
  /** FI, bits 63:12 at their place. */
  readonly fi: bigint;
  readonly t1: number;
  readonly t2: number;
  readonly at: number;
  readonly pp: number;
  readonly raw: readonly [lo: bigint, hi: bigint];
}

export type BenchOptions = Capability & {
  readonly haw?: number;
  readonly ram?: RigOptions['ram'];
  readonly memory?: RigOptions['memory'];
  /** Device-TLB invalidations are complete when the test says so. */
  readonly awaits?: boolean;
  /** Of another copy of the library. */
  readonly make?: typeof createRig;
};

export interface Message {
  readonly address: bigint;
  readonly data: number;
}

/** A rig with tables. */
export class Bench {
  readonly rig: Rig;
  readonly messages: Message[] = [];
  /** What the unit sent to devices. */
  readonly sent: DeviceMessage[] = [];
  #tail = 0n;

  constructor({ haw = 48, ram, memory, awaits = false, make = createRig, ...capability }: BenchOptions = {}) {
    this.rig = make({
      vendor: 'intel',
      capabilities: capabilities(capability),
      hostAddressWidth: haw,
      onMsi: (address, data) => this.messages.push({ address, data }),
      onDeviceMessage: (message) => this.sent.push(message),
      awaitInvalidations: awaits,
      ...(ram === undefined ? {} : { ram }),
      ...(memory === undefined ? {} : { memory }),
    });
  }

  write64(address: bigint, ...values: readonly bigint[]): this {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => {
      view.setBigUint64(i * 8, value, true);
    });
    this.rig.writeMemory(address, bytes);
    return this;
  }

  read64(address: bigint): bigint {
    return new DataView(this.rig.readMemory(address, 8).buffer).getBigUint64(0, true);
  }

  set(offset: number, value: bigint, size = 4): this {
    this.rig.writeRegister(offset, size, value);
    return this;
  }

  get(offset: number, size = 4): bigint {
    return this.rig.readRegister(offset, size);
  }

  root(lo: bigint, hi = 0n, bus = 0): this {
    return this.write64(ROOT + BigInt(bus) * 16n, lo, hi);
  }

  context(lo: bigint, hi: bigint, sid = SID): this {
    const table = sid >>> 8 === 0 ? CONTEXT : CONTEXT_BUS_1;
    return this.write64(table + BigInt(sid & 0xff) * 16n, lo, hi);
  }

  /** One entry of the standing table of a level. */
  entry(level: number, index: number, value: bigint): this {
    return this.write64(tableAt(level) + BigInt(index) * 8n, value);
  }

  /** Root entry, context entry with TT=00 and tables that all point down at index 0; the leaf maps DATA. */
  usual({ levels = 4, domain = 1, leaf = DATA | BOTH, context = 0n } = {}): this {
    this.root(CONTEXT | 1n);
    this.context(tableAt(levels) | 1n | context, BigInt(levels - 2) | (BigInt(domain) << 8n));
    for (let level = levels; level > 1; level--) this.entry(level, 0, tableAt(level - 1) | BOTH);
    return this.entry(1, 0, leaf);
  }

  /** Latches the root table and switches remapping on. */
  enable(rtaddr = ROOT): this {
    this.set(REG.RTADDR, rtaddr, 8);
    return this.command(SRTP).command(TE);
  }

  /** Sets bits of GCMD beside the status that stands. */
  command(bits: bigint): this {
    return this.set(REG.GCMD, (this.get(REG.GSTS) & 0x96ff_ffffn) | bits);
  }

  /** Clears level bits of GCMD. */
  stop(bits: bigint): this {
    return this.set(REG.GCMD, this.get(REG.GSTS) & 0x96ff_ffffn & ~bits);
  }

  /** Queue of `2 ** qs` pages at QUEUE. */
  enableQueue(qs = 0n, base = QUEUE): this {
    this.#tail = 0n;
    this.set(REG.IQT, 0n, 8).set(REG.IQA, base | qs, 8);
    return this.command(QIE);
  }

  /** Writes descriptors at the tail and moves it past them. */
  submit(...descriptors: readonly (readonly [lo: bigint, hi: bigint])[]): this {
    for (const [lo, hi] of descriptors) {
      this.write64(QUEUE + this.#tail, lo, hi);
      this.#tail = (this.#tail + 16n) % 4096n;
    }
    return this.set(REG.IQT, this.#tail, 8);
  }

  read(address: bigint, length = 4, sid = SID): DmaResult {
    return this.rig.dma({ requester: sid, address, length, write: false });
  }

  write(address: bigint, sid = SID, data: Uint8Array = new Uint8Array([1, 2, 3, 4])): DmaResult {
    return this.rig.dma({ requester: sid, address, data, write: true });
  }

  /** What would become of an access. */
  probe(address: bigint, { write = false, sid = SID, length = 1 } = {}): DmaResult {
    return this.rig.translate({ requester: sid, address, write, length, probe: true });
  }

  /** Remapping of interrupts on, with a table of `2 ** (size + 1)` entries at IRT. */
  enableInterrupts({ size = 7n, extended = false, table = IRT } = {}): this {
    this.set(REG.IRTA, table | size | (extended ? 0x800n : 0n), 8);
    return this.command(SIRTP).command(IRE);
  }

  irte(index: number, lo: bigint, hi = 0n): this {
    return this.write64(IRT + BigInt(index) * 16n, lo, hi);
  }

  interrupt(address: bigint, data: number, sid = SID): DmaResult {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, data, true);
    return this.write(address, sid, bytes);
  }

  record(n = 0): FaultRecord {
    const base = REG.FRCD + n * 16;
    const lo = this.get(base, 8);
    const hi = this.get(base + 8, 8);
    return {
      f: hi >> 63n === 1n,
      fr: Number((hi >> 32n) & 0xffn),
      sid: Number(hi & 0xffffn),
      fi: lo & ~0xfffn,
      t1: Number((hi >> 62n) & 1n),
      t2: Number((hi >> 28n) & 1n),
      at: Number((hi >> 60n) & 3n),
      pp: Number((hi >> 31n) & 1n),
      raw: [lo, hi],
    };
  }

  /** Clears record `n`, then the overflow. */
  acknowledge(n = 0): this {
    return this.set(REG.FRCD + n * 16 + 12, 0x8000_0000n).set(REG.FSTS, 1n);
  }
}

/** Physical address of the first byte, or the fault's code, or the status. */
export function outcome(result: DmaResult): bigint | string {
  if (result.ok) return result.segments[0]?.address ?? 'no segment';
  return result.fault === undefined ? result.status : code(result.fault.code);
}

/** A fault reason as the specification prints it. */
export function code(reason: number): string {
  return `${reason.toString(16).toUpperCase().padStart(2, '0')}h`;
}
