/**
 * The command buffer: a ring of commands in memory that software fills at the tail and the unit empties at the head.
 *
 * At most one run is under way; it ends when the ring is empty, or when an error has stopped the processor, so that the
 * work that one write starts is bounded by the ring.
 */
import { anySet, encode } from '../bits/index.ts';
import { NO_DOMAIN, NO_PASID, NO_REQUESTER, type Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import { type CommandSurroundings, Commands } from './commands.ts';
import { RINGS, Ring } from './rings.ts';
import { RunSwitch } from './run-switch.ts';
import {
  COMMAND_HARDWARE_ERROR,
  COMMAND_HEADER,
  COMMAND_TAIL,
  CONTROL,
  CommandCode,
  CounterSource,
  EventCode,
  HardwareErrorType,
  ILLEGAL_COMMAND_ERROR,
  STATUS,
} from './spec/index.ts';

const COMMAND_WORDS = COMMAND_HEADER.$.words;
const INVALIDATIONS: ReadonlySet<number> = new Set(
  Object.entries(CommandCode).flatMap(([name, code]) => (name.startsWith('INVALIDATE_') ? [code] : [])),
);

/** How a command ended. */
export const CommandEnd = {
  DONE: 0,
  /** Unknown, without its feature, or with a reserved bit set. */
  ILLEGAL: 1,
  /** An access to memory failed. */
  HARDWARE_ERROR: 2,
  /** It waits for invalidations under way: the head stays, and the command is fetched again when one of them is over. */
  WAIT: 3,
} as const;

export class CommandProcessor {
  readonly #unit: CommandSurroundings;
  readonly #ring: Ring;
  readonly #switch: RunSwitch;
  readonly #memory = new MemoryOperation();
  readonly #commands: Commands;
  #running = false;
  /** Of the command that was fetched last. */
  #code = 0;

  constructor(unit: CommandSurroundings) {
    const { file } = unit;
    const { base, headRegister } = RINGS.COMMAND;
    this.#unit = unit;
    this.#ring = new Ring(file, RINGS.COMMAND);
    this.#commands = new Commands(unit, this.#memory);
    this.#switch = new RunSwitch(file, {
      enable: CONTROL.CmdBufEn,
      run: STATUS.CmdBufRun,
      bases: [base],
      locked: [headRegister],
      isPossible: () => this.#ring.isValid,
      running: () => this.#kick(),
    });
    file.onWrite(COMMAND_TAIL.$.offset!, () => this.#kick());
  }

  /** Power-on: whoever ran the work that was under way has dropped it. */
  reset(): void {
    this.#running = false;
    this.#switch.reset();
  }

  /** An invalidation is over: a command that waits may go on. */
  resume(): void {
    this.#kick();
  }

  #kick(): void {
    if (this.#running || !this.#ready()) return;
    this.#running = true;
    this.#unit.start(this.#process());
  }

  *#process(): Walk {
    const ring = this.#ring;
    while (this.#ready()) {
      const { head } = ring;
      const at = ring.start + head;
      const end = yield* this.#next(at);
      if (end === CommandEnd.DONE) {
        ring.head = ring.after(head);
        this.#count(CounterSource.CMD_PROCESSED);
        if (INVALIDATIONS.has(this.#code)) this.#count(CounterSource.CMD_PROCESSED_INV);
        continue;
      }
      if (end === CommandEnd.WAIT) break;
      // The head stays on the command, and nothing more is fetched until software starts the processor again.
      this.#switch.stop();
      this.#unit.log(end === CommandEnd.ILLEGAL ? illegal(at) : hardwareError(this.#memory.address));
    }
    this.#running = false;
  }

  /** Fetches, checks and carries out the command at `at`. */
  *#next(at: number): Walk<number> {
    const memory = this.#memory;
    yield memory.read(at, COMMAND_WORDS);
    if (!memory.ok) return CommandEnd.HARDWARE_ERROR;
    const words = memory.words.slice(0, COMMAND_WORDS);
    this.#code = COMMAND_HEADER.Opcode.get(words);
    const command = this.#commands.find(this.#code);
    if (command === undefined || anySet(words, command.reserved)) return CommandEnd.ILLEGAL;
    const done = command.run(words, at);
    return typeof done === 'number' ? done : yield* done;
  }

  #count(event: number): void {
    this.#unit.counters()?.count(event, NO_REQUESTER, NO_DOMAIN, NO_PASID, 0);
  }

  #ready(): boolean {
    return this.#switch.isRunning && this.#ring.head !== this.#ring.tail;
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
