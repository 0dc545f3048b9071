/**
 * A function's DMA: cuts transfers into requests, gives each read a tag, puts answers together, gives up on those that do not
 * come.
 *
 * Offers: `read`, `write`, `atomic`, `deferrableWrite` as scripts, of any number of callers at once, which take turns request by
 * request; `transactionsPending`, `state`.
 * Needs: a function that is connected; `completion` for each that reaches the function, `reset` when the function is reset.
 *
 * A completion that does not match its request in its traffic class, its attributes, its byte count or its lower address is
 * an unexpected one: it is logged and dropped, and the request waits on (PCIe 2.3.2).
 *
 * Inaccuracies: a time-out range ends at its upper limit.
 */
import { Alarm, END, type Engine, type Handler, type Instant, ms, type Script, Signal } from '../sim/index.ts';
import { announceError } from './announce-error.ts';
import { type Dma, type DmaRead, DmaStatus, type DmaTarget } from './dma.ts';
import type { PcieFunction } from './function.ts';
import { isAllowed, patience, tagsAllowed } from './request-settings.ts';
import { UncorrectableError } from './spec/index.ts';
import { MOST_TAGS, Tags, UNEXPECTED } from './tags.ts';
import { isLastCompletion, type Tlp, TlpKind } from './tlp.ts';
import { tracedAnswer, tracedRequest } from './tlp-tasks.ts';
import { Transfer } from './transfer.ts';

export interface RequesterSpec {
  /** Requests that may wait for their completion at a time: up to 768, of which software may allow fewer. */
  readonly tags: number;
}

export interface RequesterState {
  /** Requests whose completion did not come in time. */
  timedOut: number;
  /** Completions that nobody waited for. */
  unexpected: number;
}

export class Requester implements Dma {
  readonly state: RequesterState = { timedOut: 0, unexpected: 0 };
  /** Called with how many bytes of memory came without error, or were sent; translations are none. */
  onMoved: (bytes: number) => void = ignore;
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #tags: Tags;
  /** Who has requests to send, in the order of their turns. */
  readonly #nonPosted: Transfer[] = [];
  readonly #posted: Transfer[] = [];
  readonly #queues = [this.#nonPosted, this.#posted] as const;
  readonly #patience: Alarm;
  readonly #onCredit: Handler;
  #listening = false;
  /** Of the engine: tags and callers of an earlier one are forgotten. */
  #life: number;

  constructor(engine: Engine, fn: PcieFunction, { tags }: RequesterSpec) {
    const { name } = fn;
    this.#engine = engine;
    this.#function = fn;
    this.#tags = new Tags(Math.min(tags, MOST_TAGS));
    this.#patience = new Alarm(engine, `completion time-out of ${name}`, () => this.#giveUp());
    this.#onCredit = { name, handle: () => this.#credit() };
    this.#life = engine.life;
  }

  *read(at: DmaTarget, length: number, into: Uint8Array = new Uint8Array(length)): Script<DmaRead> {
    return yield* this.#fetch(new Transfer(TlpKind.MEMORY_READ, at, NOTHING, into, length));
  }

  *write(at: DmaTarget, bytes: Uint8Array): Script<number> {
    return yield* this.#run(new Transfer(TlpKind.MEMORY_WRITE, at, bytes, NOTHING, bytes.length));
  }

  *atomic(kind: number, at: DmaTarget, operands: Uint8Array): Script<DmaRead> {
    const length = kind === TlpKind.COMPARE_AND_SWAP ? operands.length / 2 : operands.length;
    return yield* this.#fetch(new Transfer(kind, at, operands, new Uint8Array(length), length));
  }

  /** One write of `bytes` that its completer may refuse for now: then the status is RETRY. */
  *deferrableWrite(at: DmaTarget, bytes: Uint8Array): Script<number> {
    return yield* this.#run(new Transfer(TlpKind.DEFERRABLE_WRITE, at, bytes, NOTHING, 0));
  }

  /** A request waits for its completion. */
  get transactionsPending(): boolean {
    return this.#life === this.#engine.life && this.#tags.outstanding > 0;
  }

  /** A completion has reached the function. Who calls keeps the TLP. */
  completion(tlp: Tlp): void {
    this.#wake();
    const tags = this.#tags;
    const index = tags.indexOf(tlp.tag);
    const transfer = tags.owner[index] ?? null;
    const isLast = isLastCompletion(tlp);
    const bytes = transfer === null ? UNEXPECTED : tags.accept(index, tlp);
    if (transfer === null || bytes === UNEXPECTED) {
      this.state.unexpected++;
      announceError([this.#function], UncorrectableError.UNEXPECTED_COMPLETION, tlp);
      // What is held was waiting for this.
      if (transfer === null && index >= 0 && isLast) this.#retire(index);
      return;
    }
    if (bytes > 0 && !transfer.isTranslation) this.onMoved(bytes);
    if (!isLast) return;
    tracedAnswer(this.#engine, tlp.task, 'landing', this.#function.name);
    this.#retire(index);
    this.#settle(transfer);
  }

  /**
   * The function is reset: everybody who waits gets RESET. Tags of requests that are under way are held, because the
   * completions still come; with the whole machine, they and the callers are gone.
   */
  reset(): void {
    this.state.timedOut = 0;
    this.state.unexpected = 0;
    this.#wake();
    const tags = this.#tags;
    const until = this.#deadline();
    for (let index = 0; index < tags.count; index++) {
      const transfer = tags.owner[index] ?? null;
      if (transfer === null) continue;
      tags.hold(index, until);
      tracedAnswer(this.#engine, tags.task[index]!, 'lost', this.#function.name);
      transfer.pending = 0;
      this.#stop(transfer, DmaStatus.RESET, 0);
    }
    for (const transfer of this.#queues.flat()) this.#stop(transfer, DmaStatus.RESET, 0);
    this.#showPending();
    this.#watch();
  }

  *#fetch(transfer: Transfer): Script<DmaRead> {
    const status = yield* this.#run(transfer);
    const { buffer, whole } = transfer;
    return { status, data: whole === buffer.length ? buffer : buffer.subarray(0, whole) };
  }

  *#run(transfer: Transfer): Script<number> {
    this.#wake();
    if (!isAllowed(this.#function.config, transfer.kind, transfer.at)) {
      transfer.fail(DmaStatus.UNSUPPORTED_REQUEST, 0);
      return transfer.status;
    }
    transfer.cause = this.#engine.running?.cause ?? 0;
    tracedRequest(this.#engine, transfer, this.#function.name);
    this.#queueOf(transfer).push(transfer);
    this.#pump();
    if (!transfer.ended) {
      transfer.done = new Signal(this.#engine, `the end of a transfer of ${this.#function.name}`);
      yield transfer.done;
    }
    return transfer.status;
  }

  #queueOf(transfer: Transfer): Transfer[] {
    return transfer.isPosted ? this.#posted : this.#nonPosted;
  }

  /** Sends what tags and credits allow. */
  #pump(): void {
    for (const queue of this.#queues) {
      while (queue.length > 0 && this.#sendNext(queue[0]!)) {
        const transfer = queue.shift()!;
        if (transfer.isSending) queue.push(transfer);
        else this.#settle(transfer);
      }
    }
  }

  /** Sends the next request of a transfer; false while there is no tag or no credit for it. */
  #sendNext(transfer: Transfer): boolean {
    const fn = this.#function;
    const tags = this.#tags;
    const allowed = tagsAllowed(fn.config);
    const index = transfer.isPosted ? NO_TAG : tags.find(allowed);
    if (index === NO_TAG && !transfer.isPosted) {
      if (tags.held > 0) this.#watch();
      return false;
    }
    const tlp = transfer.request(fn.take(), fn.requester, fn.config);
    if (!fn.canSend(tlp)) {
      fn.endpoint.end.give(tlp);
      this.#awaitCredit();
      return false;
    }
    const piece = transfer.load(tlp);
    tlp.task = transfer.task;
    if (index !== NO_TAG) tags.take(index, transfer, allowed, tlp);
    if (!fn.send(tlp)) {
      if (index !== NO_TAG) tags.free(index);
      transfer.fail(DmaStatus.NOT_MASTER, transfer.next);
      tracedAnswer(this.#engine, transfer.task, 'credit', fn.name);
      transfer.isSending = false;
      return true;
    }
    if (index === NO_TAG) this.onMoved(piece);
    else this.#expect(transfer, index, piece);
    transfer.advance(piece);
    if (transfer.isSending) tracedRequest(this.#engine, transfer, fn.name);
    return true;
  }

  /** The next `bytes` bytes of a transfer come under this tag. */
  #expect(transfer: Transfer, index: number, bytes: number): void {
    const tags = this.#tags;
    const deadline = this.#deadline();
    tags.place[index] = transfer.next;
    tags.asked[index] = bytes;
    tags.task[index] = transfer.task;
    tags.deadline[index] = deadline;
    transfer.pending++;
    if (tags.outstanding === 1) this.#showPending();
    if (deadline < this.#patience.due) this.#patience.set(deadline as Instant);
  }

  #awaitCredit(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#function.endpoint.credit().wake(this.#onCredit);
  }

  #credit(): void {
    this.#listening = false;
    this.#pump();
  }

  #retire(index: number): void {
    const transfer = this.#tags.owner[index] ?? null;
    if (transfer !== null) transfer.pending--;
    this.#tags.free(index);
    this.#pump();
    if (this.#tags.outstanding > 0) return;
    this.#showPending();
    this.#watch();
  }

  /** Transactions Pending of Device Status. */
  #showPending(): void {
    const { pciExpress } = this.#function.config;
    if (pciExpress !== null) pciExpress.transactionsPending = this.transactionsPending;
  }

  /** Tells the caller, if nothing is left to send or to come. */
  #settle(transfer: Transfer): void {
    if (transfer.ended || transfer.isSending || transfer.pending > 0) return;
    transfer.ended = true;
    transfer.done?.fire();
  }

  /** Nothing more of this transfer is sent, and nothing is whole from `place` on. */
  #stop(transfer: Transfer, status: number, place: number): void {
    transfer.fail(status, place);
    if (transfer.isSending) {
      transfer.isSending = false;
      tracedAnswer(this.#engine, transfer.task, 'credit', this.#function.name);
      const queue = this.#queueOf(transfer);
      queue.splice(queue.indexOf(transfer), 1);
    }
    this.#settle(transfer);
  }

  /** Picoseconds since the start; Infinity where nothing is given up. */
  #deadline(): number {
    const milliseconds = patience(this.#function.config);
    const at = milliseconds === Infinity ? Infinity : this.#engine.now + ms(milliseconds);
    return at <= END ? at : Infinity;
  }

  /** Looks again at the first instant at which something is late, or a tag that somebody waits for is held no longer. */
  #watch(): void {
    const first = this.#tags.firstDeadline(this.#nonPosted.length > 0);
    if (first === Infinity) this.#patience.off();
    else this.#patience.set(Math.max(first, this.#engine.now) as Instant);
  }

  #giveUp(): void {
    const tags = this.#tags;
    for (const index of tags.late(this.#engine.now)) {
      const transfer = tags.owner[index] ?? null;
      if (transfer === null) {
        tags.free(index);
        continue;
      }
      // Its completion may be on the way: for as long again, nobody else gets the tag.
      tags.hold(index, this.#deadline());
      this.state.timedOut++;
      tracedAnswer(this.#engine, tags.task[index]!, 'lost', this.#function.name);
      announceError([this.#function], UncorrectableError.COMPLETION_TIMEOUT, null);
      transfer.pending--;
      this.#stop(transfer, DmaStatus.TIMED_OUT, tags.place[index]! + tags.came[index]!);
    }
    this.#pump();
    this.#showPending();
    this.#watch();
  }

  /** An engine that was reset has forgotten everybody. */
  #wake(): void {
    if (this.#life === this.#engine.life) return;
    this.#life = this.#engine.life;
    this.#tags.reset();
    for (const queue of this.#queues) queue.length = 0;
    this.#listening = false;
  }
}

const NO_TAG = -1;
const NOTHING = new Uint8Array(0);

function ignore(): void {}
