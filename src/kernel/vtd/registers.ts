/** A remapping unit's register page as its driver uses it, with the commands that registers start and report. */
import type { AnyLayout, Field } from '../../../hardware/bits/index.ts';
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { GCMD, GSTS } from '../../../hardware/vtd/spec/index.ts';
import { EIO } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import { RegisterPage } from '../iommu/register-page.ts';
import type { KernelLog } from '../log.ts';

/** Bits of GCMD that keep their effect: each write must repeat those that are on. The others act once. */
const LEVELS: readonly Field[] = [GCMD.TE, GCMD.QIE, GCMD.IRE, GCMD.CFI];
const LEVEL_MASK = LEVELS.reduce((mask, field) => mask | field.mask, 0);

/** A command of a register that starts and reports it. */
export interface Execution {
  readonly of: AnyLayout;
  readonly offset: number;
  readonly words: Uint32Array;
  readonly busy: Field;
  /** What is written to another register first, with no other command in between. */
  readonly operand?: { readonly offset: number; readonly words: Uint32Array };
}

export class Registers extends RegisterPage {
  readonly #log: KernelLog;
  readonly #name: string;
  /** A unit executes one command at a time. */
  readonly #command: Semaphore;
  /** Offsets of registers whose last command did not finish in time. */
  readonly #late = new Set<number>();

  constructor(engine: Engine, bus: Bus, base: number, log: KernelLog, name: string) {
    super(engine, bus, base);
    this.#log = log;
    this.#name = name;
    this.#command = new Semaphore(engine, 1, `${name} command`);
  }

  /** Runs one command of GCMD and waits until `status` says that it is done: 0 or -EIO. */
  *command(command: Field, on: boolean, status: Field, done: boolean): Script<number> {
    yield this.#command.acquire();
    try {
      const word = GSTS.$.offset! / 4;
      const current = (yield* this.read(GSTS))[word]! & LEVEL_MASK & ~command.mask;
      yield* this.writeAt(GCMD.$.offset!, Uint32Array.of(current | (on ? command.mask : 0)));
      const finished = yield* this.waitUntil(
        function* (this: Registers) {
          return status.isSet(yield* this.read(GSTS)) === done;
        }.bind(this),
      );
      return finished ? 0 : this.#dead(`GCMD.${command.name}`);
    } finally {
      this.#command.release();
    }
  }

  /** Writes a register whose `busy` field hardware clears when it has finished; gives its final words or -EIO. */
  *execute({ of, offset, words, busy, operand }: Execution): Script<Uint32Array | number> {
    yield this.#command.acquire();
    try {
      let last = words;
      // The fields of a register address its page, those of a layout the value itself.
      const at = -(of.$.offset ?? 0) / 4;
      const idle = function* (this: Registers): Script<boolean> {
        last = yield* this.readAt(offset, 8);
        return !busy.isSet(last, at);
      }.bind(this);
      // A command that came too late once must not be taken for the next one.
      if (this.#late.has(offset) && !(yield* this.waitUntil(idle))) return -EIO;
      this.#late.delete(offset);
      if (operand !== undefined) yield* this.writeAt(operand.offset, operand.words);
      yield* this.writeAt(offset, words);
      if (yield* this.waitUntil(idle)) return last;
      this.#late.add(offset);
      return this.#dead(of.$.name);
    } finally {
      this.#command.release();
    }
  }

  #dead(what: string): number {
    this.#log.write(`${this.#name}: ${what} did not finish in time`);
    return -EIO;
  }
}
