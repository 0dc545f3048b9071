/** Base address registers: how large they are, where they go, and that the function answers there. */
import { BAR_COUNT, barOffset, COMMAND_STATUS, MEMORY_BAR } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';
import type { KernelLog } from '../log.ts';
import { type Bar, formatRid } from './device.ts';

const ALL_ONES = 0xffff_ffff;

export interface BarSize {
  readonly index: number;
  readonly bytes: number;
  readonly wide: boolean;
}

export class BaseAddresses {
  readonly #bus: Bus;
  readonly #log: KernelLog;
  readonly #placed = new Map<number, Map<number, Bar>>();
  /** Functions with a register that found no room. */
  readonly #homeless = new Set<number>();

  constructor(bus: Bus, log: KernelLog) {
    this.#bus = bus;
    this.#log = log;
  }

  /** Registers of a function that have their place. */
  of(rid: number): Map<number, Bar> {
    const bars = this.#placed.get(rid) ?? new Map<number, Bar>();
    this.#placed.set(rid, bars);
    return bars;
  }

  /** Sizes every register while the function answers to none of them. */
  *sizes(rid: number): Script<BarSize[]> {
    yield* this.#command(rid, false);
    const sizes: BarSize[] = [];
    for (let index = 0; index < BAR_COUNT; ) {
      const { bytes, wide } = yield* this.#sizeOf(rid, index);
      if (bytes > 0) sizes.push({ index, bytes, wide });
      index += wide ? 2 : 1;
    }
    return sizes;
  }

  /** Puts a register at `address`; `undefined` says that there is no room, and then the function answers nowhere. */
  *place(rid: number, { index, bytes, wide }: BarSize, address: number | undefined): Script {
    if (address === undefined) {
      this.#log.write(`pci ${formatRid(rid)}: no room for ${bytes} bytes of registers`);
      this.#homeless.add(rid);
      this.of(rid).clear();
      return;
    }
    yield* this.#bus.configWrite(rid, barOffset(index), 4, address % 2 ** 32);
    if (wide) yield* this.#bus.configWrite(rid, barOffset(index + 1), 4, Math.floor(address / 2 ** 32));
    if (!this.#homeless.has(rid)) this.of(rid).set(index, { index, address, bytes });
  }

  /** Lets the function answer at its registers. */
  answer(rid: number): Script {
    return this.#command(rid, this.of(rid).size > 0);
  }

  /** Switches Memory Space Enable; the function must not be a bus master yet. */
  *#command(rid: number, memory: boolean): Script {
    const offset = COMMAND_STATUS.$.offset!;
    const command = Uint32Array.of(yield* this.#bus.configRead(rid, offset, 4));
    COMMAND_STATUS.MEMORY_SPACE.set(command, memory ? 1 : 0, -offset / 4);
    COMMAND_STATUS.BUS_MASTER.set(command, 0, -offset / 4);
    yield* this.#bus.configWrite(rid, offset, 2, command[0]! & 0xffff);
  }

  /** Bytes behind a register, found by writing ones: address bits that stay 0 are below the size. */
  *#sizeOf(rid: number, index: number): Script<{ bytes: number; wide: boolean }> {
    yield* this.#bus.configWrite(rid, barOffset(index), 4, ALL_ONES);
    const low = Uint32Array.of(yield* this.#bus.configRead(rid, barOffset(index), 4));
    if (low[0] === 0 || MEMORY_BAR.IO_SPACE.isSet(low)) return { bytes: 0, wide: false };
    const isLast = index + 1 === BAR_COUNT;
    const wide = !isLast && MEMORY_BAR.BAR_TYPE.get(low) === MEMORY_BAR.BAR_TYPE.spec.values!['ADDRESS_64'];
    let mask = BigInt(MEMORY_BAR.ADDRESS.address(low)) | 0xffff_ffff_0000_0000n;
    if (wide) {
      yield* this.#bus.configWrite(rid, barOffset(index + 1), 4, ALL_ONES);
      const high = yield* this.#bus.configRead(rid, barOffset(index + 1), 4);
      mask = (BigInt(high) << 32n) | BigInt.asUintN(32, mask);
    }
    // Bits above the lowest that can be set say nothing more.
    return { bytes: Number(mask & BigInt.asUintN(64, -mask)), wide };
  }
}
