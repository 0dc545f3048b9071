/**
 * What a type 1 header says of a bridge: which buses are behind it, which addresses it forwards to them, and whether they
 * are held in reset.
 */
import type { AnyLayout, RegisterFile } from '../bits/index.ts';
import {
  BRIDGE_CONTROL,
  BUS_NUMBERS,
  COMMAND_STATUS,
  IO_WINDOW,
  MEMORY_WINDOW,
  PREFETCHABLE_BASE_UPPER,
  PREFETCHABLE_LIMIT_UPPER,
  PREFETCHABLE_WINDOW,
  WindowType,
} from './spec/index.ts';

/** Addresses from `start` up to `end`. */
export interface AddressWindow {
  readonly start: number;
  readonly end: number;
}

export const BRIDGE_REGISTERS: readonly AnyLayout[] = [
  BUS_NUMBERS,
  IO_WINDOW,
  MEMORY_WINDOW,
  PREFETCHABLE_WINDOW,
  PREFETCHABLE_BASE_UPPER,
  PREFETCHABLE_LIMIT_UPPER,
  BRIDGE_CONTROL,
];

const MIB = 2 ** 20;

export class BridgeHeader {
  /** Told when a reset of the secondary bus begins and ends. */
  onSecondaryReset: ((asserted: boolean) => void) | null = null;
  /** The buses as software numbered them. */
  primary = 0;
  secondary = 0;
  subordinate = 0;
  /** What is forwarded downstream, or `null` when nothing is: Memory Space Enable is 0, or the limit is below the base. */
  memory: AddressWindow | null = null;
  prefetchable: AddressWindow | null = null;
  secondaryReset = false;
  readonly #file: RegisterFile;
  readonly #onDecode: () => void;

  /** `file` has `BRIDGE_REGISTERS`; `onDecode` is told when buses or windows change. */
  constructor(file: RegisterFile, onDecode: () => void) {
    this.#file = file;
    this.#onDecode = onDecode;
    const type = WindowType.ADDRESS_64;
    file.initial(PREFETCHABLE_WINDOW, { BASE_TYPE: type, LIMIT_TYPE: type });
    for (const { $ } of BRIDGE_REGISTERS) file.onWrite($.offset!, () => this.#written());
  }

  /** True for the number of a bus behind the bridge. */
  leadsTo(bus: number): boolean {
    return bus >= this.secondary && bus <= this.subordinate && this.secondary !== 0;
  }

  /** True when the bridge forwards the byte at `address` downstream. */
  forwards(address: number): boolean {
    return isIn(this.memory, address) || isIn(this.prefetchable, address);
  }

  /** Takes in what the registers say now. */
  refresh(): void {
    const { words } = this.#file;
    this.primary = BUS_NUMBERS.PRIMARY_BUS.get(words);
    this.secondary = BUS_NUMBERS.SECONDARY_BUS.get(words);
    this.subordinate = BUS_NUMBERS.SUBORDINATE_BUS.get(words);
    const isOn = COMMAND_STATUS.MEMORY_SPACE.isSet(words);
    this.memory = isOn ? windowOf(MEMORY_WINDOW.MEMORY_BASE.get(words), MEMORY_WINDOW.MEMORY_LIMIT.get(words)) : null;
    const base =
      PREFETCHABLE_BASE_UPPER.BASE_UPPER.get(words) * 4096 + PREFETCHABLE_WINDOW.PREFETCHABLE_BASE.get(words);
    const limit =
      PREFETCHABLE_LIMIT_UPPER.LIMIT_UPPER.get(words) * 4096 + PREFETCHABLE_WINDOW.PREFETCHABLE_LIMIT.get(words);
    this.prefetchable = isOn ? windowOf(base, limit) : null;
    const asserted = BRIDGE_CONTROL.SECONDARY_BUS_RESET.isSet(words);
    if (asserted === this.secondaryReset) return;
    this.secondaryReset = asserted;
    this.onSecondaryReset?.(asserted);
  }

  #written(): void {
    this.refresh();
    this.#onDecode();
  }
}

/** From the first and the last MiB, by their numbers. */
function windowOf(base: number, limit: number): AddressWindow | null {
  return limit < base ? null : { start: base * MIB, end: (limit + 1) * MIB };
}

function isIn(window: AddressWindow | null, address: number): boolean {
  return window !== null && address >= window.start && address < window.end;
}
