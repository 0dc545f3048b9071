/**
 * The device's end of a link: gives each TLP that arrives to the function it is for, and answers for nobody.
 *
 * Completions, messages and configuration requests go by requester id, memory requests by base address. Of configuration
 * requests, those of type 0 are for the bus of the device, whatever its number; those of type 1 reach functions beyond it.
 * A request that no function takes is completed with UR; what is posted is dropped. The device learns its bus number from
 * the configuration writes that reach it.
 */
import { type Engine, Gate, type Script, type Signal } from '../sim/index.ts';
import { announceError, MOST_ERRORS } from './announce-error.ts';
import { Answers } from './answers.ts';
import type { PcieFunction } from './function.ts';
import type { LinkEnd } from './link.ts';
import type { Below } from './root-port.ts';
import type { Range } from './routes.ts';
import { isOversize } from './sizes.ts';
import { CompletionStatus, MessageRouting, UncorrectableError } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';

export class Endpoint {
  readonly end: LinkEnd;
  readonly functions: readonly PcieFunction[];
  /** What was written last to any function of it; at first, what firmware gave it. */
  bus: number;
  /** Functions by how far their ids lie from the start of the device's bus, which never changes. */
  readonly #byDistance: ReadonlyMap<number, PcieFunction>;
  readonly #answers: Answers;
  readonly #engine: Engine;
  readonly #firstBus: number;
  #free!: Gate;
  /** Error messages that wait for a credit. */
  #telling = 0;

  constructor(engine: Engine, end: LinkEnd, functions: readonly PcieFunction[]) {
    this.#engine = engine;
    this.end = end;
    end.owner = functions[0]?.name ?? '';
    end.isDevice = true;
    this.functions = functions;
    this.#firstBus = (functions[0]?.spec.requester ?? 0) >>> 8;
    this.bus = this.#firstBus;
    this.#answers = new Answers(end);
    this.reset();
    end.receive = (tlp) => this.#receive(tlp);
    end.onFree = () => {
      this.#answers.pump();
      this.#free.notify();
    };
    end.onChange = (isUp) => {
      if (isUp) return;
      this.#answers.lose();
      for (const fn of functions) fn.conventionalReset();
      // Out of its slot it has no power either: nothing is kept.
      if (!end.link.isOccupied) for (const fn of functions) fn.config.reset();
    };
    for (const fn of functions) fn.join(this);
    this.#byDistance = new Map(functions.map((fn) => [this.#distance(fn.requester), fn]));
  }

  /** Fires when the link may have a credit that it did not have. */
  credit(): Signal {
    return this.#free.wait();
  }

  /** Sends an error message of a function, unless so many wait already: what cannot be told remains in its registers. */
  tell(fn: PcieFunction, message: number): void {
    if (this.#telling === MOST_ERRORS) return;
    this.#telling++;
    this.#engine.spawn(this.#send(fn, message), `${fn.name} reports an error`);
  }

  *#send(fn: PcieFunction, message: number): Script {
    yield* fn.transmit(fn.take().message(fn.requester, message));
    this.#telling--;
  }

  /** Sends a completion of `request`, or of a part of it while `isLast` is false; then the request is dealt with. */
  answer(request: Tlp, completion: Tlp, isLast = true): void {
    this.#answers.push(completion, isLast ? request : null);
  }

  /** Answers a read of `fn` with completions of at most its Max_Payload_Size, which end at read completion boundaries. */
  answerInParts(request: Tlp, bytes: Uint8Array, { requester, config }: PcieFunction): void {
    const { maxPayload, ordersCompletionsById } = config;
    const { length } = bytes;
    const start = request.addressLo & (READ_COMPLETION_BOUNDARY - 1);
    for (let from = 0; from < length; ) {
      const end = start + from + maxPayload;
      const part = Math.min(length, end - (end % READ_COMPLETION_BOUNDARY) - start) - from;
      const answer = this.end.take().completionData(request, requester, from, part, ordersCompletionsById);
      answer.data!.set(bytes.subarray(from, from + part));
      from += part;
      this.answer(request, answer, from === length);
    }
  }

  /** Who waits for a credit holds a TLP of before the reset and must not wake. */
  reset(): void {
    this.bus = this.#firstBus;
    this.#telling = 0;
    this.#answers.reset();
    this.#free = new Gate(this.#engine, `a credit of ${this.end.link.name} upstream`);
  }

  #receive(tlp: Tlp): void {
    if (tlp.kind === TlpKind.CONFIG_WRITE_0) this.bus = tlp.completer >>> 8;
    const fn = this.#target(tlp);
    if (this.#isOversize(tlp, fn)) {
      const physical = this.functions.filter(({ isVirtual }) => !isVirtual);
      announceError(physical, UncorrectableError.MALFORMED_TLP, tlp);
      this.end.release(tlp);
      return;
    }
    fn?.receive(tlp);
    if (tlp.creditClass !== CreditClass.NON_POSTED) this.end.release(tlp);
    else if (fn === null) {
      this.answer(tlp, this.end.take().completion(tlp, tlp.completer, CompletionStatus.UNSUPPORTED_REQUEST));
    }
  }

  /** By the function that it is for, or by the one that takes most. What is conventional knows no Max_Payload_Size. */
  #isOversize(tlp: Tlp, target: PcieFunction | null): boolean {
    if (target !== null) return exceeds(tlp, target);
    return this.functions.length > 0 && this.functions.every((fn) => exceeds(tlp, fn));
  }

  #target(tlp: Tlp): PcieFunction | null {
    if (tlp.isMemoryRequest) return this.#holder(tlp);
    const fn = this.#byDistance.get(this.#distanceTo(tlp));
    return fn?.isPresent === true ? fn : null;
  }

  /** Who has the address of a memory request. */
  #holder(tlp: Tlp): PcieFunction | null {
    for (const fn of this.functions) if (fn.isPresent && fn.barOf(tlp) !== null) return fn;
    return null;
  }

  /** How far the id that a TLP names lies from the start of the device's bus; -1 when it names none. */
  #distanceTo({ kind, isMessage, routing, completer, requester }: Tlp): number {
    switch (kind) {
      case TlpKind.CONFIG_READ_0:
      case TlpKind.CONFIG_WRITE_0:
        return completer & LAST_OF_BUS;
      case TlpKind.CONFIG_READ_1:
      case TlpKind.CONFIG_WRITE_1: {
        const distance = this.#distance(completer);
        return distance > LAST_OF_BUS ? distance : -1;
      }
      default:
        if (!isMessage) return this.#distance(requester);
        return routing === MessageRouting.ID ? this.#distance(completer) : -1;
    }
  }

  #distance(requester: number): number {
    return (requester - (this.bus << 8)) & 0xffff;
  }
}

function exceeds(tlp: Tlp, { config: { pciExpress } }: PcieFunction): boolean {
  return pciExpress !== null && isOversize(tlp, pciExpress);
}

/** Of everybody who is no root complex. */
const READ_COMPLETION_BOUNDARY = 128;
/** Device and function number, or with ARI the function number. */
const LAST_OF_BUS = 0xff;

/** Devices of the root complex itself: their link is private, and no port stands above them. */
export class IntegratedDevice implements Below {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  leadsTo(requester: number): boolean {
    return this.#endpoint.functions.some((fn) => fn.isPresent && fn.requester === requester);
  }

  isBeyond(): boolean {
    return false;
  }

  reaches(): boolean {
    return true;
  }

  get ranges(): Range[] {
    return this.#endpoint.functions.flatMap((fn) => (fn.isPresent ? fn.ranges : []));
  }

  /** Largest payload that every function of the link may receive, in bytes. */
  get maxPayload(): number {
    let least = 4096;
    for (const { config } of this.#endpoint.functions) least = Math.min(least, config.maxPayload);
    return least;
  }

  /** No root port stands here whose Device Control 2 would allow it. */
  get ordersCompletionsById(): boolean {
    return false;
  }

  judge(): number {
    return CompletionStatus.SUCCESSFUL;
  }

  note(): void {}

  /** There is no link, and so nobody who receives. */
  isOversize(): boolean {
    return false;
  }

  malformed(): void {}

  unsupported(): number {
    return CompletionStatus.UNSUPPORTED_REQUEST;
  }

  reset(): void {
    this.#endpoint.reset();
  }
}
