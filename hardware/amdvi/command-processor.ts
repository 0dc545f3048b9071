/**
 * The command buffer: a ring of commands in memory that software fills at the tail and the unit empties at the head.
 *
 * Offers: `kick` to start the work. At most one run is under way; it ends when the ring is empty, or when an error has
 * stopped the processor, so that the work of one kick is bounded by the ring.
 */
import { anySet, encode, type RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import { type CommandSurroundings, Commands } from './commands.ts';
import {
  COMMAND_BUFFER_BASE,
  COMMAND_HARDWARE_ERROR,
  COMMAND_HEAD,
  COMMAND_HEADER,
  COMMAND_TAIL,
  EventCode,
  HardwareErrorType,
  ILLEGAL_COMMAND_ERROR,
  STATUS,
} from './spec/index.ts';

const COMMAND_BYTES = 16;

/** How a command ended. */
export const CommandEnd = {
  DONE: 0,
  /** Unknown, without its feature, or with a reserved bit set. */
  ILLEGAL: 1,
  /** An access to memory failed. */
  HARDWARE_ERROR: 2,
} as const;

export class CommandProcessor {
  readonly #unit: CommandSurroundings;
  readonly #file: RegisterFile;
  readonly #memory = new MemoryOperation();
  readonly #commands: Commands;
  #running = false;

  constructor(unit: CommandSurroundings) {
    this.#unit = unit;
    this.#file = unit.file;
    this.#commands = new Commands(unit, this.#memory);
  }

  /** Software moved the tail or switched the buffer on: gives the work, if there is any, to `run`. */
  kick(run: (walk: Walk) => void): void {
    if (this.#running || !this.#ready()) return;
    this.#running = true;
    run(this.#process());
  }

  /** Power-on: whoever ran the work that was under way has dropped it. */
  reset(): void {
    this.#running = false;
  }

  *#process(): Walk {
    const { words } = this.#file;
    while (this.#ready()) {
      const head = COMMAND_HEAD.CmdHdptr.address(words);
      const at = COMMAND_BUFFER_BASE.ComBase.address(words) + head;
      const end = yield* this.#next(at);
      if (end === CommandEnd.DONE) {
        COMMAND_HEAD.CmdHdptr.setAddress(words, (head + COMMAND_BYTES) % this.#bytes);
        continue;
      }
      // The head stays on the command, and nothing more is fetched until software starts the processor again.
      STATUS.CmdBufRun.set(words, 0);
      this.#unit.log(end === CommandEnd.ILLEGAL ? illegal(at) : hardwareError(this.#memory.address));
    }
    this.#running = false;
  }

  /** Fetches, checks and carries out the command at `at`. */
  *#next(at: number): Walk<number> {
    const memory = this.#memory;
    yield memory.read(at, COMMAND_BYTES / 4);
    if (!memory.ok) return CommandEnd.HARDWARE_ERROR;
    const words = memory.words.slice(0, COMMAND_BYTES / 4);
    const command = this.#commands.find(COMMAND_HEADER.Opcode.get(words));
    if (command === undefined || anySet(words, command.reserved)) return CommandEnd.ILLEGAL;
    const done = command.run(words);
    return typeof done === 'number' ? done : yield* done;
  }

  #ready(): boolean {
    const { words } = this.#file;
    return STATUS.CmdBufRun.isSet(words) && COMMAND_HEAD.CmdHdptr.get(words) !== COMMAND_TAIL.CmdTailptr.get(words);
  }

  get #bytes(): number {
    return COMMAND_BYTES * 2 ** COMMAND_BUFFER_BASE.ComLen.get(this.#file.words);
  }
}

function illegal(at: number): Uint32Array {
  return encode(ILLEGAL_COMMAND_ERROR, { EventCode: EventCode.ILLEGAL_COMMAND_ERROR, Address: BigInt(at) >> 4n });
}

function hardwareError(at: number): Uint32Array {
  const Type = HardwareErrorType.MASTER_ABORT;
  return encode(COMMAND_HARDWARE_ERROR, {
    EventCode: EventCode.COMMAND_HARDWARE_ERROR,
    Type,
    Address: BigInt(at) >> 2n,
  });
}
