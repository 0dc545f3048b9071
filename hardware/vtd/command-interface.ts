/**
 * The enhanced and the virtual command interface (VT-d 11.4.14, 11.4.16), which follow one rule: a write to the lower
 * half of the command register starts the command, IP of the response says that it runs, and until IP is clear writes
 * to the command and its operands are dropped.
 *
 * A command waits until the requests before it have been answered, and then takes no time.
 */
import type { AnyLayout, RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import { type ECMD, type ECRSP, EnhancedStatus } from './spec/index.ts';

/** Carries a command out; gives a status code. */
export type Command = (operandA: number) => number;

export interface CommandRegisters {
  readonly command: typeof ECMD;
  /** The extended operand, right behind the command. */
  readonly operand: AnyLayout;
  readonly response: typeof ECRSP;
}

export interface CommandSurroundings {
  /** The command with this number, unless the unit does not have it. */
  find(command: number): Command | undefined;
  /** Another command of the unit is under way that this one cannot wait for. */
  isBusy(): boolean;
  /** Carries out work of the unit. */
  start(walk: Walk): void;
}

export class CommandInterface {
  readonly #file: RegisterFile;
  readonly #registers: CommandRegisters;
  readonly #unit: CommandSurroundings;
  /** Commands so far: one that a reset has overtaken is given up. */
  #serial = 0;

  constructor(file: RegisterFile, registers: CommandRegisters, unit: CommandSurroundings) {
    this.#file = file;
    this.#registers = registers;
    this.#unit = unit;
    file.onWrite(registers.command.$.offset!, () => this.#submit());
  }

  #submit(): void {
    const { command, response } = this.#registers;
    const { words } = this.#file;
    const at = command.$.offset!;
    const written = new Uint32Array([this.#file.written(at), this.#file.written(at + 4)]);
    // 1. The last response goes, and until this command has its own no other may come.
    words.fill(0, response.$.offset! / 4, response.$.offset! / 4 + response.$.words);
    response.IP.set(words, 1);
    this.#lock(true);
    // 2. A change of the protected regions that is under way ends the command at once.
    if (this.#unit.isBusy()) this.#respond(EnhancedStatus.ABORTED);
    else this.#unit.start(this.#execute(written, ++this.#serial));
  }

  *#execute(written: Uint32Array, serial: number): Walk {
    const { command, response } = this.#registers;
    yield new MemoryOperation().barrier();
    if (serial !== this.#serial || !response.IP.isSet(this.#file.words)) return;
    // 3. Carry it out.
    const at = -command.$.offset! / 4;
    const act = this.#unit.find(command.CMD.get(written, at));
    this.#respond(act === undefined ? EnhancedStatus.UNDEFINED_COMMAND : act(command.OA.get(written, at)));
  }

  #respond(status: number): void {
    const { response } = this.#registers;
    response.SC.set(this.#file.words, status);
    response.IP.set(this.#file.words, 0);
    this.#lock(false);
  }

  #lock(locked: boolean): void {
    const { command, operand } = this.#registers;
    for (const { $ } of [command, operand]) this.#file.lock($.offset!, $.words, locked);
  }
}
