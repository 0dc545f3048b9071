/**
 * What a program can do to the MMU of a device that it drives. A program has no need of this: the kernel keeps the tables. But
 * nothing keeps a program from it either.
 */
import { bytesOf, encode, PAGE_SIZE, wordsOf } from '../../hardware/bits/index.ts';
import {
  DIRECTORY_ENTRY,
  ENTRY_BYTES,
  MMU_BAR,
  MMU_COMMAND,
  MMU_CONTROL,
  MMU_DIRECTORY,
  PAGE_ENTRY,
  TABLE_ENTRIES,
  TABLE_MEMORY_BAR,
} from '../../hardware/devices/mmu-engine/spec.ts';
import { type Blocking, EINVAL } from '../uapi/index.ts';
import { type DeviceRegisters, getRegister, regionOf, setRegister } from './device-registers.ts';
import type { Program } from './program.ts';

export class MmuEngineDriver {
  readonly #registers: DeviceRegisters;
  readonly #tables: DeviceRegisters;

  constructor(registers: DeviceRegisters, tables: DeviceRegisters) {
    this.#registers = registers;
    this.#tables = tables;
  }

  /** Takes the MMU of a bound device, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<MmuEngineDriver | number> {
    const registers = yield* regionOf(program, fd, MMU_BAR);
    if (typeof registers === 'number') return registers;
    const tables = yield* regionOf(program, fd, TABLE_MEMORY_BAR);
    return typeof tables === 'number' ? tables : new MmuEngineDriver(registers, tables);
  }

  /** Addresses go out as they are, or are translated: 0 or an errno. */
  *enable(on: boolean): Blocking<number> {
    const control = yield* getRegister(this.#registers, MMU_CONTROL);
    if (typeof control === 'number') return control;
    const { STALL, INTERRUPT_ENABLE } = MMU_CONTROL;
    const others = { STALL: STALL.get(control), INTERRUPT_ENABLE: INTERRUPT_ENABLE.get(control) };
    return Math.min(yield* setRegister(this.#registers, MMU_CONTROL, { ...others, ENABLE: on ? 1 : 0 }), 0);
  }

  /**
   * Sends a page anywhere on the bus, for reading and writing, whatever stands there: 0, -EINVAL where there is no table,
   * or an errno.
   */
  *redirect(page: number, bus: number): Blocking<number> {
    const directory = yield* getRegister(this.#registers, MMU_DIRECTORY);
    if (typeof directory === 'number') return directory;
    const at = MMU_DIRECTORY.PAGE.get(directory) * PAGE_SIZE + Math.floor(page / TABLE_ENTRIES) * ENTRY_BYTES;
    const bytes = yield* this.#tables.read(at, ENTRY_BYTES);
    if (typeof bytes === 'number') return bytes;
    const above = wordsOf(bytes);
    if (!DIRECTORY_ENTRY.V.isSet(above)) return -EINVAL;
    const table = DIRECTORY_ENTRY.TABLE.get(above) * PAGE_SIZE;
    const entry = bytesOf(encode(PAGE_ENTRY, { V: 1, R: 1, W: 1, PAGE: bus }));
    const written = yield* this.#tables.write(table + (page % TABLE_ENTRIES) * ENTRY_BYTES, entry);
    return written < 0 ? written : Math.min(yield* setRegister(this.#registers, MMU_COMMAND, { FLUSH: 1 }), 0);
  }
}
