/**
 * The commands of CMD, one at a time.
 *
 * Choices: a command for several work queues does nothing unless all of them are enabled. Commands for PASIDs and for all
 * descriptors succeed on a device that is not enabled: there is nothing under way. A page that is waited for does not keep an
 * abort. What makes a group wrong: GRP_CONFIG a work queue of several groups, GRP_CONFIG2 an engine of several groups,
 * GRP_CONFIG3 work queues without an engine, GRP_CONFIG4 a work queue with a size in no group.
 */
import type { RegisterFile } from '../../bits/index.ts';
import type { PcieFunction } from '../../pcie/index.ts';
import type { Engine, Script } from '../../sim/index.ts';
import type { Errors } from './errors.ts';
import type { Interrupts } from './interrupts.ts';
import type { AcceleratorSpec } from './model.ts';
import { commandsOf, firstWorkQueue, lockConfiguration } from './register-page.ts';
import type { Scheduler } from './scheduler.ts';
import {
  CMD,
  CMDSTS,
  Command,
  CommandError,
  DeviceState,
  GENSTS,
  GRPCFG,
  GRPCFG_BYTES,
  INTCAUSE,
  INTERRUPT,
  ONE_WQ,
  SubmissionError,
  Table,
  WQ_SET,
  WQCFG,
  WqState,
} from './spec/index.ts';
import type { Submission } from './submission.ts';
import type { WorkQueue } from './work-queue.ts';

export interface CommandParts {
  readonly engine: Engine;
  readonly function: PcieFunction;
  readonly registers: RegisterFile;
  readonly scheduler: Scheduler;
  readonly errors: Errors;
  readonly interrupts: Interrupts;
  /** Brings the registers to their first state. */
  readonly softwareReset: () => void;
}

/** How a command ended. */
interface Answer {
  readonly error: number;
  readonly result?: number;
}

const OK: Answer = { error: CommandError.SUCCESS };

/** Queues whose descriptors end, or all. */
const ANY = (): boolean => true;

export class Commands {
  readonly #spec: AcceleratorSpec;
  readonly #parts: CommandParts;
  /** Changes with each reset: a command of an earlier life has no end. */
  #life = 0;

  constructor(spec: AcceleratorSpec, parts: CommandParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  /** CMD was written. */
  begin(): void {
    const { engine, registers, errors } = this.#parts;
    const { words } = registers;
    if (CMDSTS.ACTIVE.isSet(words)) {
      errors.report({ error: SubmissionError.CMD_REG, queue: -1 });
      return;
    }
    words[CMDSTS.ACTIVE.word] = CMDSTS.ACTIVE.mask;
    engine.spawn(this.#run(this.#life), `${this.#parts.function.name}: command ${CMD.CMD.get(words)}`);
  }

  reset(): void {
    this.#life++;
  }

  *#run(life: number): Script {
    if (life !== this.#life) return;
    const { registers, errors } = this.#parts;
    const { words } = registers;
    const wantsInterrupt = CMD.INT_REQ.isSet(words);
    const { error, result = 0 } = yield* this.#execute(CMD.CMD.get(words), CMD.OPERAND.get(words));
    if (life !== this.#life) return;
    words[CMDSTS.ACTIVE.word] = 0;
    CMDSTS.ERR.set(words, error);
    CMDSTS.RESULT.set(words, result);
    if (wantsInterrupt) errors.cause(INTCAUSE.COMMAND);
  }

  *#execute(command: number, operand: number): Script<Answer> {
    if ((commandsOf(this.#spec) & (1 << command)) === 0) return failed(CommandError.INVAL_CMD);
    const { scheduler } = this.#parts;
    const isOfPasid = ({ pasid }: Submission): boolean => pasid === operand;
    switch (command) {
      case Command.ENABLE_DEVICE:
        return this.#enableDevice();
      case Command.DISABLE_DEVICE:
        return yield* this.#disableDevice();
      case Command.RESET_DEVICE:
        return yield* this.#resetDevice();
      case Command.ENABLE_WQ:
        return this.#enableQueue(ONE_WQ.WQ.get(Uint32Array.of(operand)));
      case Command.DRAIN_ALL:
        return yield* after(scheduler.settle(ANY));
      case Command.ABORT_ALL:
        return yield* after(scheduler.abort(ANY));
      case Command.DRAIN_PASID:
        return yield* after(scheduler.settle(isOfPasid));
      case Command.ABORT_PASID:
        return yield* after(scheduler.abort(isOfPasid));
      case Command.REQUEST_INT_HANDLE:
        return this.#requestHandle(Uint32Array.of(operand));
      case Command.RELEASE_INT_HANDLE:
        return this.#releaseHandle(Uint32Array.of(operand));
      default:
        return yield* this.#forQueues(command, Uint32Array.of(operand));
    }
  }

  #enableDevice(): Answer {
    const { registers, scheduler } = this.#parts;
    const error = this.#flaw();
    if (error !== CommandError.SUCCESS) return failed(error);
    GENSTS.STATE.set(registers.words, DeviceState.ENABLED);
    lockConfiguration(registers, this.#spec);
    scheduler.start();
    return OK;
  }

  /** Why the device cannot be enabled. */
  #flaw(): number {
    const { registers, scheduler } = this.#parts;
    const { queues } = scheduler;
    if (this.#state !== DeviceState.DISABLED) return CommandError.DEV_ENABLED;
    if (!this.#parts.function.config.busMaster) return CommandError.BUSMASTER_EN;
    const entries = queues.reduce((sum, queue) => sum + queue.get(WQCFG.SIZE), 0);
    if (entries > this.#spec.entries) return CommandError.WQ_SIZE_ERANGE;
    if (queues.some(({ index }) => scheduler.groupsWith('WQS_0', index) > 1)) return CommandError.GRP_CONFIG;
    for (let e = 0; e < this.#spec.engines; e++) {
      if (scheduler.groupsWith('ENGINES', e) > 1) return CommandError.GRP_CONFIG2;
    }
    for (let i = 0; i < this.#spec.groups; i++) {
      const at = (Table.GRPCFG + i * GRPCFG_BYTES) / 4;
      if (GRPCFG.WQS_0.isSet(registers.words, at) && !GRPCFG.ENGINES.isSet(registers.words, at)) {
        return CommandError.GRP_CONFIG3;
      }
    }
    const isLost = (queue: WorkQueue): boolean =>
      queue.get(WQCFG.SIZE) > 0 && scheduler.groupsWith('WQS_0', queue.index) === 0;
    return queues.some(isLost) ? CommandError.GRP_CONFIG4 : CommandError.SUCCESS;
  }

  *#disableDevice(): Script<Answer> {
    const { registers, scheduler } = this.#parts;
    if (this.#state !== DeviceState.ENABLED) return failed(CommandError.DIS_DEV_EN);
    GENSTS.STATE.set(registers.words, DeviceState.DRAIN);
    yield* this.#close(scheduler.queues.filter(isOpen), false);
    GENSTS.STATE.set(registers.words, DeviceState.DISABLED);
    lockConfiguration(registers, this.#spec);
    return OK;
  }

  *#resetDevice(): Script<Answer> {
    yield* this.#close(this.#parts.scheduler.queues.filter(isOpen), true);
    this.#parts.softwareReset();
    return OK;
  }

  #enableQueue(index: number): Answer {
    const queue = this.#parts.scheduler.queues[index];
    if (queue === undefined) return failed(CommandError.INVAL_WQIDX);
    const error = this.#flawOf(queue);
    if (error !== CommandError.SUCCESS) return failed(error);
    queue.state = WqState.ENABLED;
    return OK;
  }

  /** Why a queue cannot be enabled. */
  #flawOf(queue: WorkQueue): number {
    const { config } = this.#parts.function;
    const { pasidEnabled, isDedicated } = queue;
    if (this.#state !== DeviceState.ENABLED) return CommandError.DEV_NOTEN;
    if (queue.state !== WqState.DISABLED) return CommandError.WQ_ENABLED;
    if (queue.get(WQCFG.SIZE) === 0) return CommandError.WQ_SIZE;
    if (queue.get(WQCFG.PRIORITY) === 0) return CommandError.WQ_PRIOR;
    if (queue.has(WQCFG.BOF) && (queue.has(WQCFG.PRS_DISABLE) || queue.has(WQCFG.ATS_DISABLE))) {
      return CommandError.BOF_EN;
    }
    // Whom a shared queue works for is known by PASID alone.
    if (!isDedicated && !pasidEnabled) return CommandError.PASID_EN;
    if (pasidEnabled && config.pasid?.enabled !== true) return CommandError.PASID_EN;
    const isPrivileged = isDedicated && pasidEnabled && queue.privileged;
    if (isPrivileged && config.pasid?.privileged !== true) return CommandError.PASID_EN;
    if (queue.get(WQCFG.MAX_BATCH_SHIFT) > this.#spec.maxBatchShift) return CommandError.MAX_BATCH_SIZE;
    return queue.get(WQCFG.MAX_XFER_SHIFT) > this.#spec.maxTransferShift
      ? CommandError.MAX_XFER_SIZE
      : CommandError.SUCCESS;
  }

  *#forQueues(command: number, operand: Uint32Array): Script<Answer> {
    const { scheduler } = this.#parts;
    const first = WQ_SET.INDEX.get(operand) * WQ_SET.MASK.width;
    const mask = WQ_SET.MASK.get(operand);
    const indices = Array.from({ length: WQ_SET.MASK.width }, (_, i) => i).filter((i) => (mask & (1 << i)) !== 0);
    const queues = indices.map((i) => scheduler.queues[first + i]).filter((queue) => queue !== undefined);
    if (queues.length === 0 || queues.length < indices.length) return failed(CommandError.INVAL_WQIDX);
    if (!queues.every(({ isEnabled }) => isEnabled)) return failed(CommandError.WQ_NOT_EN);
    const isTheirs = ({ queue }: Submission): boolean => queues.includes(queue);
    if (command === Command.DRAIN_WQ) return yield* after(scheduler.settle(isTheirs));
    if (command === Command.ABORT_WQ) return yield* after(scheduler.abort(isTheirs));
    yield* this.#close(queues, command === Command.RESET_WQ);
    if (command === Command.RESET_WQ) for (const queue of queues) queue.reset(firstWorkQueue());
    return OK;
  }

  /** Disables queues: they take nothing more, and what they have ends in one of two ways. */
  *#close(queues: readonly WorkQueue[], aborts: boolean): Script {
    const { scheduler } = this.#parts;
    for (const queue of queues) queue.state = WqState.BUSY;
    const isTheirs = ({ queue }: Submission): boolean => queues.includes(queue);
    yield* aborts ? scheduler.abort(isTheirs) : scheduler.settle(isTheirs);
    for (const queue of queues) queue.state = WqState.DISABLED;
  }

  #requestHandle(operand: Uint32Array): Answer {
    const { interrupts } = this.#parts;
    const vector = INTERRUPT.INDEX.get(operand);
    if (INTERRUPT.IMS.isSet(operand) || vector >= interrupts.vectors) return failed(CommandError.INVAL_INT_IDX);
    const handle = interrupts.request(vector);
    return handle < 0 ? failed(CommandError.NO_HANDLE) : { error: CommandError.SUCCESS, result: handle };
  }

  #releaseHandle(operand: Uint32Array): Answer {
    const isReleased = !INTERRUPT.IMS.isSet(operand) && this.#parts.interrupts.release(INTERRUPT.INDEX.get(operand));
    return isReleased ? OK : failed(CommandError.INVAL_INT_IDX);
  }

  get #state(): number {
    return GENSTS.STATE.get(this.#parts.registers.words);
  }
}

function isOpen({ state }: WorkQueue): boolean {
  return state !== WqState.DISABLED;
}

function* after(script: Script): Script<Answer> {
  yield* script;
  return OK;
}

function failed(error: number): Answer {
  return { error };
}
