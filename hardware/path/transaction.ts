/** One request on its way, and the command that it is a part of. Both are reused. */
import { AddressType, TranslationRequest } from '../pcie/index.ts';
import type { Engine } from '../sim/index.ts';
import type { Shares } from './milestones.ts';

/** What a device was told to do. */
export class Command {
  hi = 0;
  lo = 0;
  /** Bytes. */
  length = 0;
  /** Whose it is; -1 for the path's own device. */
  requester = -1;
  /** Its address is a translated one: AT of its requests says so. */
  translated = false;
  /** Bytes that have not come yet. */
  left = 0;
  /** Called when everything has come and is put away in `delay`, or was seen by everybody. */
  done: (delay: number) => void = ignore;
}

export class Transaction {
  /** In its pool. */
  readonly index: number;
  readonly request = new TranslationRequest(this);
  command: Command | null = null;
  isWrite = false;
  length = 0;
  /** Cache lines that it touches. */
  lines = 0;
  /** Which of the write engine's two slots it was put together in. */
  slot = 0;
  /** It is the last of its command. */
  isLast = false;
  /** Writes that have arrived before it. */
  writesBefore = 0;
  translated = false;
  /** Its number as a traced task. */
  task = 0;
  /** The part of a read that memory and the link down deal with. */
  pieces = 0;
  /** The instant up to which its time has an owner; in an array, where a number with a fraction does not become an object. */
  readonly #since = new Float64Array(1);

  constructor(index: number) {
    this.index = index;
  }

  /** Whose it is and what its address is, as its command says. */
  follow(command: Command, own: number): void {
    this.command = command;
    this.request.requester = command.requester >= 0 ? command.requester : own;
    this.request.addressType = command.translated ? AddressType.TRANSLATED : AddressType.UNTRANSLATED;
  }

  /** Its life begins in `delay`. */
  begin(engine: Engine, delay: number): void {
    this.#since[0] = engine.now + delay;
    this.translated = false;
  }

  /** What has passed, and will in the next `delay`, belongs to `milestone`. An instant between functions would become an object. */
  account(shares: Shares, milestone: number, engine: Engine, delay: number): void {
    const at = engine.now + delay;
    shares.sums[milestone]! += at - this.#since[0]!;
    this.#since[0] = at;
    if (shares.tasks !== null) shares.tell(this, milestone, at);
  }

  /** The next `duration` belongs to it. */
  accountFor(shares: Shares, milestone: number, duration: number): void {
    shares.sums[milestone]! += duration;
    this.#since[0]! += duration;
    if (shares.tasks !== null) shares.tell(this, milestone, this.#since[0]!);
  }
}

/** As many as ever are under way at a time. */
export class TransactionPool {
  readonly all: Transaction[] = [];
  readonly #idle: Transaction[] = [];
  /** Of the path's own device. */
  readonly #requester: number;

  constructor(requester: number) {
    this.#requester = requester;
  }

  /** A request of the command. */
  take(command: Command, engine: Engine): Transaction {
    const transaction = this.#idle.pop() ?? this.#grow();
    transaction.begin(engine, 0);
    transaction.follow(command, this.#requester);
    return transaction;
  }

  give(transaction: Transaction): void {
    this.#idle.push(transaction);
  }

  /** Takes back whatever is under way. */
  reset(): void {
    this.#idle.splice(0, this.#idle.length, ...this.all);
  }

  #grow(): Transaction {
    const transaction = new Transaction(this.all.length);
    this.all.push(transaction);
    return transaction;
  }
}

function ignore(): void {}
