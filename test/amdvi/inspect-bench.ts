/** A unit with every cache, and tables of every kind in its memory. Bits are literal. */
import { createHash } from 'node:crypto';
import { AmdViInspector, AmdViUnit } from '../../hardware/amdvi/index.ts';
import type { AmdFault } from '../../hardware/amdvi/spec/index.ts';
import { highOf, lowOf } from '../../hardware/bits/index.ts';
import { Access, finish, InterruptMessage, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';

/** Host table of three levels, domain 7, accessed and dirty flags kept. */
export const HOST = 0x18;
/** Guest tables of four levels by a GCR3 table of one, over the same host table, domain 9. */
export const GUEST = 0x20;
/** Interrupts alone: 512 entries of 128 bits. */
export const INTERRUPTS = 0x28;
/** In no use. */
export const NOBODY = 0x30;

export const DEVICE_TABLE = 0x10_0000n;
export const HOST_TABLE = 0x20_0000n;
export const GCR3 = 0x30_0000n;
const GUEST_TABLE = 0x40_0000n;
export const INTERRUPT_TABLE = 0x70_0000n;
export const BACKING_PAGE = 0x71_0000n;
const COMMANDS = 0x72_0000n;
const EVENTS = 0x73_0000n;

/** PR, IR and IW of a host entry; NextLevel 1 to 7. */
export const RW = 0x6000_0000_0000_0001n;
const READ_ONLY = 0x2000_0000_0000_0001n;
const NEXT = (level: bigint): bigint => level << 9n;

/** PPRSup XTSup GTSup IASup GASup HESup, HATS 2, GATS 1, GLXSup 1, GAMSup, PASMax 15, GIoSup, HASup, HDSup. */
const EFR = 0x0013_000f_0020_59d6n;
/** IommuEn EventLogEn CmdBufEn GTEn GAEn, GAMEn 1. */
export const CONTROL = 0x0203_1005n;

const CACHES = {
  iotlb: { sets: 4, ways: 4 },
  deviceTableCache: { sets: 1, ways: 4 },
  gcr3Cache: { sets: 1, ways: 4 },
  hostDirectoryCache: { sets: 1, ways: 8 },
  guestDirectoryCache: { sets: 1, ways: 8 },
  interruptEntryCache: { sets: 1, ways: 2 },
} as const;

const RAM = 0x100_0000;

export class InspectBench {
  readonly memory = new PhysicalMemory([[0, RAM]]);
  readonly unit = new AmdViUnit(
    { features: { efr: EFR }, hostAddressWidth: 48, ...CACHES },
    { memory: this.memory, raiseMsi: () => {} },
  );
  readonly inspector = new AmdViInspector(this.unit, this.memory);

  constructor(control = CONTROL) {
    this.put(DEVICE_TABLE + 0x300n, 0x6000_0000_0020_0783n, 7n)
      .put(DEVICE_TABLE + 0x400n, 0x6080_0000_0020_0603n, 0x1_0060_0009n)
      .put(DEVICE_TABLE + 0x500n, 0n, 0n, 0x2000_0000_0070_0013n)
      .put(HOST_TABLE, 0x20_1000n | RW | NEXT(2n), 0x20_3000n | RW | NEXT(1n))
      .put(HOST_TABLE + 0x1000n, 0x20_2000n | RW | NEXT(1n), 0x60_0000n | RW, 0x40_0000n | RW)
      .put(
        HOST_TABLE + 0x2008n,
        0x80_1000n | RW,
        0x80_2000n | RW,
        0x80_3000n | READ_ONLY,
        0x80_4000n | RW | NEXT(1n) | (1n << 52n),
      )
      .put(HOST_TABLE + 0x2040n, ...Array<bigint>(8).fill(0x88_3000n | RW | NEXT(7n)))
      .put(HOST_TABLE + 0x3000n, 0x80_4000n | RW)
      .put(GCR3 + 16n, GUEST_TABLE | 1n)
      .put(GUEST_TABLE, (GUEST_TABLE + 0x1000n) | 7n)
      .put(GUEST_TABLE + 0x1000n, (GUEST_TABLE + 0x2000n) | 7n)
      .put(GUEST_TABLE + 0x2000n, (GUEST_TABLE + 0x3000n) | 7n)
      .put(GUEST_TABLE + 0x3028n, 0x1007n)
      .put(INTERRUPT_TABLE + 0x30n, 0x201n, 0x44n)
      .put(INTERRUPT_TABLE + 0x40n, 0x81n, BACKING_PAGE | 0x55n);
    this.set(0x0000, DEVICE_TABLE | 3n)
      .set(0x0008, COMMANDS | (8n << 56n))
      .set(0x0010, EVENTS | (8n << 56n))
      .set(0x0018, control);
  }

  put(address: bigint, ...values: readonly bigint[]): this {
    for (const [i, value] of values.entries()) this.memory.write64(Number(address) + i * 8, value);
    return this;
  }

  set(offset: number, value: bigint): this {
    this.unit.write(offset, 8, value);
    return this;
  }

  /** Puts commands where the ring's tail is and moves it. */
  submit(...commands: readonly (readonly [bigint, bigint])[]): this {
    const tail = this.unit.read(0x2008, 8);
    for (const [i, command] of commands.entries()) this.put(COMMANDS + tail + BigInt(i * 16), ...command);
    return this.set(0x2008, tail + BigInt(commands.length * 16));
  }

  /** What becomes of a request: its address, or the name of the condition. */
  access(requester: number, address: bigint, write: boolean, { pasid = -1, effects = true } = {}): bigint | string {
    const t = new Translation<AmdFault>();
    t.ask(requester, pasid, write ? Access.WRITE : Access.READ, highOf(address), lowOf(address));
    t.effects = effects;
    this.unit.translate(t);
    if (t.fault !== null) return t.fault.name;
    return t.status === Status.SUCCESS ? (BigInt(t.hpaHi >>> 0) << 32n) | BigInt(t.hpaLo >>> 0) : 'refused';
  }

  /** What becomes of an interrupt: its data, 'recorded', or the name of the condition. */
  send(requester: number, index: number, effects = true): number | string {
    const message = new InterruptMessage<AmdFault>().ask(requester, 0, 0xfee0_0000 | 0, index);
    message.effects = effects;
    finish(this.unit.walkInterrupt(message), this.memory);
    if (effects) this.unit.reportInterrupt(message);
    if (message.fault !== null) return message.fault.name;
    return message.delivered ? message.data : 'recorded';
  }

  /** A digest of all that can be seen: registers, memory, caches. */
  digest(): string {
    const registers = Array.from({ length: 0x1000 }, (_, i) => this.unit.read(i * 4, 4).toString(16));
    const hash = createHash('sha256').update(registers.join()).update(this.memory.read(0, RAM)!);
    return hash.update(JSON.stringify(this.inspector.caches())).digest('hex');
  }
}
