/** An interrupt remapper with its device table and interrupt table in memory. Bits are literal. */
import { Contexts } from '../../hardware/amdvi/contexts.ts';
import { DeviceTable } from '../../hardware/amdvi/device-table.ts';
import { Features } from '../../hardware/amdvi/features.ts';
import { InterruptRemapper } from '../../hardware/amdvi/interrupt-remapper.ts';
import { type AmdFault, CONTROL, DEVICE_TABLE_BASE } from '../../hardware/amdvi/spec/index.ts';
import { RegisterFile } from '../../hardware/bits/index.ts';
import { Era, InterruptMessage, Status } from '../../hardware/iommu/index.ts';
import { MemoryOperation, PhysicalMemory } from '../../hardware/memory/index.ts';

/** Bits of the Control register. */
export const IOMMU_EN = 1n;
export const GA_EN = 1n << 17n;
export const GAM_VAPIC = 1n << 25n;
export const MODE_2K = 1n << 43n;
export const XT_EN = 1n << 50n;
export const IRT_CACHE_DIS = 1n << 59n;

export const TABLE = 0x10_0000n;
/** Interrupt half of a device table entry: IV, 512 entries at TABLE, IntCtl = 10b. */
export const REMAPS = 0x2000_0000_0010_0013n;
export const LENGTH = (log2: bigint): bigint => (REMAPS & ~0x1en) | (log2 << 1n);

export const DEVICE = 0x0108;
export const DEVICE_TABLE = 0x20_0000n;
const DEVICE_TABLE_REGISTER = 0x0000;
const CONTROL_REGISTER = 0x0018;
const RAM = 0x100_0000;
const DTE_BYTES = 32n;

/** What became of a message. `event` is the code of what is logged, 0 when nothing is. */
export type Outcome =
  | { readonly address: bigint; readonly data: number }
  | 'recorded'
  | { readonly fault: string; readonly event: number };

export const delivered = (address: bigint, data: number): Outcome => ({ address, data });
export const aborted = (fault: string, event: number) => ({ fault, event });

/** What may happen while a message is on its way. */
export type Meanwhile = (access: number) => void;

export class InterruptBench {
  readonly memory = new PhysicalMemory([[0, RAM]]);
  readonly remapper: InterruptRemapper;
  readonly devices: DeviceTable;
  /** Processors whose doorbell was rung, and entries of the GA log, in their order. */
  readonly rung: number[] = [];
  readonly logged: { readonly tag: number; readonly deviceId: number }[] = [];
  /** Fault of the last message. */
  fault: AmdFault | null = null;
  /** Memory accesses of the last message. */
  accesses = 0;
  readonly #file = new RegisterFile(0x4000, [CONTROL, DEVICE_TABLE_BASE]);
  readonly #message = new InterruptMessage<AmdFault>();

  constructor(control = IOMMU_EN, { hasCache = false } = {}) {
    const era = new Era();
    const contexts = new Contexts(() => {});
    this.devices = new DeviceTable(new Features({ efr: 0n }), this.#file, { cache: null, era, contexts });
    const cache = hasCache ? { sets: 16, ways: 4 } : null;
    this.remapper = new InterruptRemapper({ file: this.#file, devices: this.devices, era, cache });
    const { rung, logged } = this;
    const operation = new MemoryOperation();
    this.remapper.guests = {
      ring: (destination) => rung.push(destination),
      *log(tag, deviceId) {
        yield operation.barrier();
        logged.push({ tag, deviceId });
      },
    };
    this.table(DEVICE_TABLE | 0x1ffn)
      .control(control)
      .device(REMAPS);
  }

  control(value: bigint): this {
    return this.#write(CONTROL_REGISTER, value);
  }

  /** The Device Table Base register: address and pages, minus 1. */
  table(value: bigint): this {
    return this.#write(DEVICE_TABLE_REGISTER, value);
  }

  /** The quadwords of a device table entry, of which the third is about interrupts. */
  device(interrupts: bigint, deviceId = DEVICE, memory = 0n): this {
    return this.write64(DEVICE_TABLE + BigInt(deviceId) * DTE_BYTES, memory, 0n, interrupts);
  }

  /** An entry of 32 bits, or of 128 bits in two halves. */
  irte(index: number, ...halves: readonly [number] | readonly [lo: bigint, hi: bigint]): this {
    const [first, second] = halves;
    if (typeof first === 'bigint') return this.write64(TABLE + BigInt(index) * 16n, first, second!);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, first, true);
    this.memory.write(Number(TABLE) + index * 4, bytes);
    return this;
  }

  write64(address: bigint, ...values: readonly bigint[]): this {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of values.entries()) view.setBigUint64(i * 8, value, true);
    this.memory.write(Number(address), bytes);
    return this;
  }

  read64(address: bigint): bigint {
    const bytes = this.memory.read(Number(address), 8)!;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  }

  /** `meanwhile` is told after each access of the walk: 0 is the device table entry, 1 the interrupt entry. */
  send(data: number, address = 0xfee0_0000, deviceId = DEVICE, meanwhile: Meanwhile = () => {}): Outcome {
    const message = this.#message.ask(deviceId, 0, address | 0, data);
    const walk = this.remapper.walk(message);
    this.accesses = 0;
    for (let step = walk.next(); step.done !== true; step = walk.next()) {
      this.memory.perform(step.value);
      meanwhile(this.accesses++);
    }
    this.fault = message.fault;
    if (message.fault !== null) {
      if (message.status !== Status.COMPLETER_ABORT) throw new Error('a fault without a target abort');
      return { fault: message.fault.name, event: message.recorded ? message.fault.code : 0 };
    }
    if (message.status !== Status.SUCCESS) throw new Error('a target abort without a fault');
    if (!message.delivered) return 'recorded';
    return { address: (BigInt(message.hi >>> 0) << 32n) | BigInt(message.lo >>> 0), data: message.data };
  }

  #write(offset: number, value: bigint): this {
    this.#file.words[offset / 4] = Number(value & 0xffff_ffffn);
    this.#file.words[offset / 4 + 1] = Number(value >> 32n);
    return this;
  }
}
