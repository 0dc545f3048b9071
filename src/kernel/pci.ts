/**
 * PCI: finds the functions by their configuration space, places their base address registers, and switches what a
 * function may do. Bridges are skipped: firmware says which buses there are.
 */
import { hex } from '../../hardware/bits/index.ts';
import {
  BAR_COUNT,
  barOffset,
  CLASS_REVISION,
  COMMAND_STATUS,
  HEADER_TYPE,
  IDENTITY,
  MEMORY_BAR,
} from '../../hardware/pcie/spec/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { Bus, Range } from './bus.ts';
import type { KernelLog } from './log.ts';

export interface Bar {
  readonly index: number;
  readonly address: number;
  readonly bytes: number;
}

export interface PciDevice {
  /** Bus, device and function as a 16-bit number. */
  readonly rid: number;
  /** Segment, bus, device and function as they are written: `0000:00:03.0`. */
  readonly address: string;
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
  /** Memory base address registers, by their index. */
  readonly bars: ReadonlyMap<number, Bar>;
}

const NO_FUNCTION = 0xffff;
const FUNCTIONS = 8;
const DEVICES_PER_BUS = 32;
const ALL_ONES = 0xffff_ffff;

export function formatRid(rid: number): string {
  const part = (value: number) => value.toString(16).padStart(2, '0');
  return `0000:${part(rid >>> 8)}:${part((rid >>> 3) & 31)}.${rid & 7}`;
}

export class Pci {
  readonly #bus: Bus;
  readonly #log: KernelLog;
  readonly #window: Range;
  #used = 0;

  constructor(bus: Bus, log: KernelLog, window: Range) {
    this.#bus = bus;
    this.#log = log;
    this.#window = window;
  }

  /** Every function on `buses`, in the order of their requester ids, with its registers placed and answering. */
  *enumerate(buses: readonly number[]): Script<PciDevice[]> {
    const found: PciDevice[] = [];
    for (const bus of buses) {
      for (let slot = 0; slot < DEVICES_PER_BUS; slot++) {
        const first = (bus << 8) | (slot << 3);
        const functions = yield* this.#functionsOf(first);
        for (let n = 0; n < functions; n++) {
          const device = yield* this.#probe(first | n);
          if (device !== undefined) found.push(device);
        }
      }
    }
    return found;
  }

  /** Lets a function issue memory requests, or stops it. */
  *setBusMaster(device: PciDevice, on: boolean): Script {
    const command = yield* this.#word(device.rid, COMMAND_STATUS.$.offset!);
    const at = -COMMAND_STATUS.$.offset! / 4;
    COMMAND_STATUS.BUS_MASTER.set(command, on ? 1 : 0, at);
    yield* this.#bus.configWrite(device.rid, COMMAND_STATUS.$.offset!, 2, command[0]! & 0xffff);
  }

  /** How many function numbers of a slot are worth asking: none, one, or all. */
  *#functionsOf(first: number): Script<number> {
    const identity = yield* this.#word(first, IDENTITY.$.offset!);
    if (IDENTITY.VENDOR_ID.get(identity, -IDENTITY.$.offset! / 4) === NO_FUNCTION) return 0;
    const header = yield* this.#word(first, HEADER_TYPE.$.offset!);
    return HEADER_TYPE.MULTI_FUNCTION.isSet(header, -HEADER_TYPE.$.offset! / 4) ? FUNCTIONS : 1;
  }

  *#probe(rid: number): Script<PciDevice | undefined> {
    const identity = yield* this.#word(rid, IDENTITY.$.offset!);
    const vendor = IDENTITY.VENDOR_ID.get(identity, -IDENTITY.$.offset! / 4);
    if (vendor === NO_FUNCTION) return undefined;
    const header = yield* this.#word(rid, HEADER_TYPE.$.offset!);
    if (HEADER_TYPE.LAYOUT.get(header, -HEADER_TYPE.$.offset! / 4) !== 0) return undefined;
    const revision = yield* this.#word(rid, CLASS_REVISION.$.offset!);
    const bars = yield* this.#placeBars(rid);
    const device: PciDevice = {
      rid,
      address: formatRid(rid),
      vendor,
      device: IDENTITY.DEVICE_ID.get(identity, -IDENTITY.$.offset! / 4),
      classCode: CLASS_REVISION.CLASS_CODE.get(revision, -CLASS_REVISION.$.offset! / 4),
      bars,
    };
    this.#log.write(
      `pci ${device.address}: ${hex(vendor, 4)}:${hex(device.device, 4)} class ${hex(device.classCode, 6)}`,
    );
    return device;
  }

  /** Sizes every register while the function answers to none of them, places them, and lets it answer. */
  *#placeBars(rid: number): Script<Map<number, Bar>> {
    const bars = new Map<number, Bar>();
    const offset = COMMAND_STATUS.$.offset!;
    const command = yield* this.#word(rid, offset);
    const at = -offset / 4;
    COMMAND_STATUS.MEMORY_SPACE.set(command, 0, at);
    COMMAND_STATUS.BUS_MASTER.set(command, 0, at);
    yield* this.#bus.configWrite(rid, offset, 2, command[0]! & 0xffff);
    for (let index = 0; index < BAR_COUNT; ) {
      const { bytes, wide } = yield* this.#sizeOf(rid, index);
      if (bytes > 0) {
        const address = this.#place(bytes);
        if (address === undefined) {
          this.#log.write(`pci ${formatRid(rid)}: no room for BAR ${index} of ${bytes} bytes`);
          return new Map();
        }
        yield* this.#bus.configWrite(rid, barOffset(index), 4, address % 2 ** 32);
        if (wide) yield* this.#bus.configWrite(rid, barOffset(index + 1), 4, Math.floor(address / 2 ** 32));
        bars.set(index, { index, address, bytes });
      }
      index += wide ? 2 : 1;
    }
    COMMAND_STATUS.MEMORY_SPACE.set(command, bars.size > 0 ? 1 : 0, at);
    yield* this.#bus.configWrite(rid, offset, 2, command[0]! & 0xffff);
    return bars;
  }

  /** Bytes behind a register, found by writing ones: address bits that stay 0 are below the size. */
  *#sizeOf(rid: number, index: number): Script<{ bytes: number; wide: boolean }> {
    yield* this.#bus.configWrite(rid, barOffset(index), 4, ALL_ONES);
    const low = yield* this.#word(rid, barOffset(index));
    if (low[0] === 0 || MEMORY_BAR.IO_SPACE.isSet(low)) return { bytes: 0, wide: false };
    const wide = MEMORY_BAR.BAR_TYPE.get(low) === MEMORY_BAR.BAR_TYPE.spec.values!['ADDRESS_64'];
    let mask = BigInt(MEMORY_BAR.ADDRESS.address(low)) | 0xffff_ffff_0000_0000n;
    if (wide && index + 1 < BAR_COUNT) {
      yield* this.#bus.configWrite(rid, barOffset(index + 1), 4, ALL_ONES);
      const high = yield* this.#word(rid, barOffset(index + 1));
      mask = (BigInt(high[0]!) << 32n) | BigInt.asUintN(32, mask);
    }
    return { bytes: Number(BigInt.asUintN(64, -mask)), wide };
  }

  #place(bytes: number): number | undefined {
    const [start, length] = this.#window;
    const address = Math.ceil((start + this.#used) / bytes) * bytes;
    if (address + bytes > start + length) return undefined;
    this.#used = address + bytes - start;
    return address;
  }

  *#word(rid: number, offset: number): Script<Uint32Array> {
    return Uint32Array.of(yield* this.#bus.configRead(rid, offset, 4));
  }
}
