/** Base address registers: how large they are, where they go, and that the function answers there. */
import { BAR_COUNT, barOffset, COMMAND_STATUS, CONFIG_BYTES, MEMORY_BAR } from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';
import type { KernelLog } from '../log.ts';
import { type Bar, formatRid } from './device.ts';

const ALL_ONES = 0xffff_ffff;

/** The registers of a function itself begin here; those for its virtual functions stand in its SR-IOV capability. */
const OWN = barOffset(0);

export interface BarSize {
  /** Where the first of the function's registers stands. */
  readonly base: number;
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
  of(rid: number, base: number = OWN): Map<number, Bar> {
    const key = keyOf(rid, base);
    const bars = this.#placed.get(key) ?? new Map<number, Bar>();
    this.#placed.set(key, bars);
    return bars;
  }

  /** Sizes every register while the function answers to none of them. */
  *sizes(rid: number): Script<BarSize[]> {
    yield* this.#command(rid, false);
    return yield* this.sizesAt(rid, OWN);
  }

  /** The same for registers that begin at `base` and that nobody answers to now. */
  *sizesAt(rid: number, base: number): Script<BarSize[]> {
    const sizes: BarSize[] = [];
    for (let index = 0; index < BAR_COUNT; ) {
      const { bytes, wide } = yield* this.#sizeOf(rid, base, index);
      if (bytes > 0) sizes.push({ base, index, bytes, wide });
      index += wide ? 2 : 1;
    }
    return sizes;
  }

  /** Puts a register at `address`; `undefined` says that there is no room, and then the function answers nowhere. */
  *place(rid: number, { base, index, bytes, wide }: BarSize, address: number | undefined): Script {
    const key = keyOf(rid, base);
    if (address === undefined) {
      this.#log.write(`pci ${formatRid(rid)}: no room for ${bytes} bytes of registers`);
      this.#homeless.add(key);
      this.of(rid, base).clear();
      return;
    }
    yield* this.#bus.configWrite(rid, base + index * 4, 4, address % 2 ** 32);
    if (wide) yield* this.#bus.configWrite(rid, base + index * 4 + 4, 4, Math.floor(address / 2 ** 32));
    if (!this.#homeless.has(key)) this.of(rid, base).set(index, { index, address, bytes });
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
  *#sizeOf(rid: number, base: number, index: number): Script<{ bytes: number; wide: boolean }> {
    const at = base + index * 4;
    yield* this.#bus.configWrite(rid, at, 4, ALL_ONES);
    const low = Uint32Array.of(yield* this.#bus.configRead(rid, at, 4));
    if (low[0] === 0 || MEMORY_BAR.IO_SPACE.isSet(low)) return { bytes: 0, wide: false };
    const isLast = index + 1 === BAR_COUNT;
    const wide = !isLast && MEMORY_BAR.BAR_TYPE.get(low) === MEMORY_BAR.BAR_TYPE.spec.values!['ADDRESS_64'];
    let mask = BigInt(MEMORY_BAR.ADDRESS.address(low)) | 0xffff_ffff_0000_0000n;
    if (wide) {
      yield* this.#bus.configWrite(rid, at + 4, 4, ALL_ONES);
      const high = yield* this.#bus.configRead(rid, at + 4, 4);
      mask = (BigInt(high) << 32n) | BigInt.asUintN(32, mask);
    }
    // Bits above the lowest that can be set say nothing more.
    return { bytes: Number(mask & BigInt.asUintN(64, -mask)), wide };
  }
}

function keyOf(rid: number, base: number): number {
  return rid * CONFIG_BYTES + base;
}
