/**
 * One function of a PCIe device: its configuration space, what arrives for it, and what it may send. A device owns a
 * function and gives it its behaviour.
 *
 * Offers: `take`, `canSend`, `send`, `transmit` TLPs (memory requests only while Bus Master Enable is set), `interrupt`.
 * Needs: a `FunctionBehaviour`, and an endpoint, which a root complex gives it when it is connected.
 *
 * Inaccuracies: a function answers configuration and memory requests in no time of its own.
 */
import type { Component, Script } from '../sim/index.ts';
import type { BarSpec } from './base-address.ts';
import type { MessageSource } from './capabilities/index.ts';
import { answerConfig } from './config-answer.ts';
import { ConfigSpace } from './config-space.ts';
import { type ConfigSpec, virtualConfig } from './config-spec.ts';
import type { Endpoint } from './endpoint.ts';
import { interruptMessage } from './interrupt-message.ts';
import { isWithin, offsetIn, type Range } from './routes.ts';
import { CompletionStatus } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';

export interface FunctionSpec extends ConfigSpec {
  readonly name: string;
  /** Requester id before anybody has said otherwise: bus 15:8, device 7:3, function 2:0. */
  readonly requester: number;
}

/** What a device does when something reaches one of its functions. */
export interface FunctionBehaviour {
  /** Fills the first `length` bytes of `into` from `offset` in the range of base address `bar` on. */
  memoryRead(bar: number, offset: number, into: Uint8Array, length: number): void;
  memoryWrite(bar: number, offset: number, from: Uint8Array, length: number): void;
  /** A completion of one of its requests. The TLP is gone when this returns. */
  completion(tlp: Tlp): void;
  /** The function's registers were reset; what it does and what it remembers is to be forgotten, too. */
  functionLevelReset?(): void;
  /** A message for it. The TLP is gone when this returns. */
  message?(tlp: Tlp): void;
  /** As `memoryWrite`, but it may refuse: then who writes tries again later. */
  deferrableWrite?(bar: number, offset: number, from: Uint8Array, length: number): boolean;
}

export interface FunctionState {
  /** Memory requests that were not sent because Bus Master Enable was 0. */
  withheld: number;
}

/** Which virtual function one is, of which physical one. */
interface VirtualPlace {
  readonly physical: PcieFunction;
  readonly index: number;
}

export class PcieFunction implements Component<FunctionSpec, FunctionState> {
  readonly name: string;
  readonly spec: FunctionSpec;
  readonly state: FunctionState = { withheld: 0 };
  readonly config: ConfigSpace;
  readonly #behaviour: FunctionBehaviour;
  readonly #virtual: VirtualPlace | null;
  /** Vectors that were unmasked while the link had no credit for their message. */
  readonly #due = new Set<number>();
  #endpoint: Endpoint | null = null;

  /** `place` is for virtual functions, which `virtualFunction` makes. */
  constructor(spec: FunctionSpec, behaviour: FunctionBehaviour, place: VirtualPlace | null = null) {
    this.name = spec.name;
    this.spec = spec;
    this.#virtual = place;
    this.config = new ConfigSpace(spec, place === null ? null : { ...place, physical: place.physical.config });
    this.#behaviour = behaviour;
    this.config.onFlr = () => {
      this.#due.clear();
      this.#behaviour.functionLevelReset?.();
    };
    for (const source of [this.config.msi, this.config.msix]) {
      if (source !== null) source.onUnmask = (vector) => this.#unmasked(vector);
    }
  }

  /** Called by the endpoint that it becomes part of. */
  join(endpoint: Endpoint): void {
    const { generation, width } = endpoint.end.link.spec;
    this.#endpoint = endpoint;
    const physical = endpoint.functions.filter((fn) => fn.#virtual === null);
    this.config.describePlace(generation, width, this.#virtual === null && physical.length > 1);
  }

  /** Requester id: the bus on which it is now, its device and function number. */
  get requester(): number {
    if (this.#virtual !== null) {
      const { physical, index } = this.#virtual;
      return physical.config.sriov!.routingId(physical.requester, index);
    }
    const { requester } = this.spec;
    return this.#endpoint === null ? requester : (this.#endpoint.bus << 8) | (requester & 0xff);
  }

  /** False for a function that answers nothing: a virtual function that is not enabled. */
  get isPresent(): boolean {
    return this.config.isPresent;
  }

  get isVirtual(): boolean {
    return this.#virtual !== null;
  }

  /** Addresses that lead to it now. */
  get ranges(): Range[] {
    return this.spec.bars.flatMap((bar) => {
      const start = this.config.barAt(bar);
      return start < 0 ? [] : [{ start, end: start + bar.size }];
    });
  }

  get endpoint(): Endpoint {
    if (this.#endpoint === null) throw new Error(`${this.name} is not connected to a link`);
    return this.#endpoint;
  }

  /** A TLP to fill and send. */
  take(): Tlp {
    return this.endpoint.end.take();
  }

  canSend(tlp: Tlp): boolean {
    return this.endpoint.end.canSend(tlp);
  }

  /** Sends a TLP for which there is a credit. False, and the TLP is gone, when the function must not send it. */
  send(tlp: Tlp): boolean {
    const { end } = this.endpoint;
    if (tlp.isMemoryRequest && !this.config.busMaster) {
      this.state.withheld++;
      end.give(tlp);
      return false;
    }
    end.send(tlp);
    return true;
  }

  /** Sends a TLP as soon as the link has a credit for it; as `send`. */
  *transmit(tlp: Tlp): Script<boolean> {
    while (!this.canSend(tlp)) yield this.endpoint.credit();
    return this.send(tlp);
  }

  /**
   * Sends the interrupt message of `vector`, or remembers it until the vector is unmasked. False when there is no such
   * vector, or when interrupts or bus mastering are not enabled.
   */
  *interrupt(vector: number): Script<boolean> {
    const source = this.config.interrupts;
    if (source === null || vector >= source.vectors) return false;
    if (source.hold(vector)) return true;
    return yield* this.transmit(this.#message(source, vector));
  }

  /** The base address register whose range holds all of the request, or `null`. */
  barOf(tlp: Tlp): BarSpec | null {
    for (const bar of this.spec.bars) {
      const start = this.config.barAt(bar);
      if (start < 0) continue;
      if (isWithin(tlp, start, bar.size)) return bar;
    }
    return null;
  }

  /** Deals with a TLP that the endpoint found to be for this function, and answers one that wants an answer. The endpoint releases it. */
  receive(tlp: Tlp): void {
    if (tlp.isConfigRequest) {
      this.endpoint.answer(tlp, answerConfig(this, tlp, this.take()));
    } else if (tlp.creditClass === CreditClass.COMPLETION) this.#completion(tlp);
    else if (tlp.isMessage) this.#behaviour.message?.(tlp);
    else if (tlp.kind === TlpKind.MEMORY_READ) this.#memoryRead(tlp);
    else if (tlp.kind === TlpKind.MEMORY_WRITE) this.#memoryWrite(tlp);
    else if (tlp.kind === TlpKind.DEFERRABLE_WRITE) this.#deferrableWrite(tlp);
    // No function here completes AtomicOps.
    else this.#answer(tlp, CompletionStatus.UNSUPPORTED_REQUEST);
  }

  /** The link was reset: the device forgets what it did and what it was told. */
  conventionalReset(): void {
    if (!this.isPresent) return;
    this.config.conventionalReset();
    this.#due.clear();
    this.#behaviour.functionLevelReset?.();
  }

  reset(): void {
    this.config.reset();
    this.#due.clear();
    this.state.withheld = 0;
  }

  #message(source: MessageSource, vector: number): Tlp {
    return interruptMessage(this.take(), this.requester, source, vector);
  }

  #unmasked(vector: number): void {
    this.#due.add(vector);
    if (this.#due.size === 1) this.#sendDue();
  }

  /** Sends what is due as far as there are credits. A vector that was masked again meanwhile becomes pending again. */
  #sendDue(): void {
    for (const vector of this.#due) {
      const source = this.config.interrupts;
      if (source !== null && vector < source.vectors && !source.hold(vector)) {
        const tlp = this.#message(source, vector);
        if (!this.canSend(tlp)) {
          this.endpoint.end.give(tlp);
          this.endpoint.credit().wake({ handle: () => this.#sendDue() });
          return;
        }
        this.send(tlp);
      }
      this.#due.delete(vector);
    }
  }

  #completion(tlp: Tlp): void {
    const { status } = tlp;
    // A write that is put off has not failed.
    if (status !== CompletionStatus.SUCCESSFUL && status !== CompletionStatus.REQUEST_RETRY) {
      this.config.noteFailedRequest(status === CompletionStatus.COMPLETER_ABORT);
    }
    this.#behaviour.completion(tlp);
  }

  #memoryRead(tlp: Tlp): void {
    const bar = this.barOf(tlp)!;
    const offset = offsetIn(tlp, this.config.barAt(bar));
    const { maxPayload, ordersCompletionsById } = this.config;
    // A payload is counted in whole words.
    if (tlp.dataOffset + tlp.length > maxPayload) {
      const bytes = new Uint8Array(tlp.length);
      this.#fetch(bar.index, offset, bytes, tlp.length);
      this.endpoint.answerInParts(tlp, bytes, this);
      return;
    }
    // A zero-length read is answered with one byte of no meaning.
    const length = Math.max(tlp.length, 1);
    const answer = this.take().completionData(tlp, this.requester, 0, length, ordersCompletionsById);
    this.#fetch(bar.index, offset, answer.data!, tlp.length);
    this.endpoint.answer(tlp, answer);
  }

  #fetch(bar: number, offset: number, into: Uint8Array, length: number): void {
    const { msix } = this.config;
    if (msix?.holds(bar, offset)) msix.read(bar, offset, into, length);
    else this.#behaviour.memoryRead(bar, offset, into, length);
  }

  #memoryWrite(tlp: Tlp): void {
    const bar = this.barOf(tlp)!;
    const offset = offsetIn(tlp, this.config.barAt(bar));
    const { msix } = this.config;
    if (msix?.holds(bar.index, offset)) msix.write(bar.index, offset, tlp.data!, tlp.length);
    else this.#behaviour.memoryWrite(bar.index, offset, tlp.data!, tlp.length);
  }

  #deferrableWrite(tlp: Tlp): void {
    const bar = this.barOf(tlp)!;
    const offset = offsetIn(tlp, this.config.barAt(bar));
    const accepted = this.#behaviour.deferrableWrite?.(bar.index, offset, tlp.data!, tlp.length);
    if (accepted === undefined) this.#answer(tlp, CompletionStatus.UNSUPPORTED_REQUEST);
    else this.#answer(tlp, accepted ? CompletionStatus.SUCCESSFUL : CompletionStatus.REQUEST_RETRY);
  }

  /** Completes a request without data. */
  #answer(tlp: Tlp, status: number): void {
    const { requester, config, endpoint } = this;
    endpoint.answer(tlp, this.take().completion(tlp, requester, status, config.ordersCompletionsById));
  }
}

/** Virtual function `index` of `physical`, to be connected to the same link. It is there when VF Enable and NumVFs say so. */
export function virtualFunction(physical: PcieFunction, index: number, behaviour: FunctionBehaviour): PcieFunction {
  const { spec, config } = physical;
  const virtual = virtualConfig(spec);
  const requester = config.sriov!.routingId(spec.requester, index);
  return new PcieFunction({ ...virtual, name: `${spec.name}.vf${index}`, requester }, behaviour, { physical, index });
}
