/**
 * The malicious device of spec.ts: what its owner writes into its registers goes onto the link as a TLP, whatever
 * configuration space says. What comes back is counted, and the last data are kept.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: it can say only what a `Tlp` can: no header that its own format contradicts. Its link stops what it has no
 * credits for, as links do that are made of hardware.
 */
import { invalidateCompletion, readInvalidateRequest } from '../../ats/index.ts';
import { RegisterFile } from '../../bits/index.ts';
import {
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  MessageCode,
  PcieFunction,
  type Tlp,
  type TlpKind,
} from '../../pcie/index.ts';
import type { Component, Engine, Script } from '../../sim/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  COMPLETIONS,
  CONTROL,
  DATA_OFFSET,
  FLOOD,
  HEADER,
  ID,
  IDENTITY,
  INVALIDATIONS,
  Kind,
  LENGTH,
  MAGIC,
  MALICIOUS_BAR,
  MALICIOUS_BAR_BYTES,
  MALICIOUS_CLASS,
  MALICIOUS_DEVICE,
  MALICIOUS_REGISTERS,
  MALICIOUS_VENDOR,
  PASID,
  RECEIVED_OFFSET,
  REGISTER_BYTES,
  RESPONSES,
  REVISION,
  SENT,
  STATUS,
  TARGET,
} from './spec.ts';

export interface MaliciousSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it claims to handle: 128 to 4096 bytes. */
  readonly payloadSupported: number;
}

/** Not architectural. */
export const MALICIOUS = { payloadSupported: 512 } as const;

export interface MaliciousState {
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
}

/** The data sheet numbers TLPs as the models do, so that its KIND is theirs. This does not compile where they differ. */
const KIND: typeof TlpKind = Kind;

/** It has every capability that makes others trust it. */
const CONFIG = {
  vendor: MALICIOUS_VENDOR,
  device: MALICIOUS_DEVICE,
  revision: REVISION,
  classCode: MALICIOUS_CLASS,
  bars: [{ index: MALICIOUS_BAR, size: MALICIOUS_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 1,
  pciExpress: { flr: true },
  capabilities: {
    aer: true,
    ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true },
    pri: { capacity: 64 },
    pasid: { width: 20, execute: true, privileged: true },
  },
} as const satisfies Partial<ConfigSpec>;

export class Malicious implements Component<MaliciousSpec, MaliciousState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: MaliciousSpec;
  readonly function: PcieFunction;
  readonly #engine: Engine;
  readonly #registers = new RegisterFile(REGISTER_BYTES, MALICIOUS_REGISTERS);
  readonly #data = new Uint8Array(BUFFER_BYTES);
  readonly #received = new Uint8Array(BUFFER_BYTES);
  /** ITags to be answered, by who sent them. */
  readonly #owed = new Map<number, number>();
  #answering = false;
  /** Changes with STOP and each reset: what was begun before is not gone on with. */
  #life = 0;

  constructor(engine: Engine, spec: MaliciousSpec) {
    const { name, requester, payloadSupported } = spec;
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester, payloadSupported }, this);
    this.#engine = engine;
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(CONTROL.$.offset!, (written) => this.#control(written));
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): MaliciousState {
    return { registers: this.#registers.wordValues(MALICIOUS_REGISTERS) };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    this.#registers.readAligned(offset, into, length);
    for (let at = Math.max(offset, DATA_OFFSET); at < offset + length; at++) {
      const received = at - RECEIVED_OFFSET;
      into[at - offset] = received < 0 ? this.#data[at - DATA_OFFSET]! : (this.#received[received] ?? 0);
    }
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    if (offset < DATA_OFFSET) {
      this.#registers.writeAligned(offset, from, length);
      return;
    }
    // A typed array ignores what lies behind its end.
    for (let i = 0; i < length; i++) this.#data[offset - DATA_OFFSET + i] = from[i]!;
  }

  completion(tlp: Tlp): void {
    const { words } = this.#registers;
    this.#count(COMPLETIONS);
    STATUS.LAST_STATUS.set(words, tlp.status);
    STATUS.LAST_TAG.set(words, tlp.tag);
    if (tlp.data !== null) this.#received.set(tlp.data.subarray(0, tlp.length));
  }

  message(tlp: Tlp): void {
    if (tlp.messageCode === MessageCode.PAGE_REQUEST_GROUP_RESPONSE) this.#count(RESPONSES);
    if (tlp.messageCode !== MessageCode.INVALIDATE_REQUEST) return;
    this.#count(INVALIDATIONS);
    const request = readInvalidateRequest(tlp);
    if (request === null || CONTROL.SILENT.isSet(this.#registers.words)) return;
    const { agent, tag } = request;
    // Who invents agents finds no room for them: there is one, and nobody else deserves an answer.
    if (this.#owed.size > 0 && !this.#owed.has(agent)) return;
    this.#owed.set(agent, (this.#owed.get(agent) ?? 0) | (1 << tag));
    if (!this.#answering) this.#engine.spawn(this.#answer(this.#life), `${this.name} answers invalidations`);
    this.#answering = true;
  }

  functionLevelReset(): void {
    this.#life++;
    this.#answering = false;
    this.#owed.clear();
    this.#registers.reset();
    this.#data.fill(0);
    this.#received.fill(0);
  }

  reset(): void {
    this.functionLevelReset();
    this.function.reset();
  }

  #control(written: number): void {
    const { words } = this.#registers;
    if ((written & CONTROL.STOP.mask) !== 0) {
      this.#life++;
      this.#answering = false;
      this.#owed.clear();
      STATUS.BUSY.set(words, 0);
    }
    if ((written & CONTROL.START.mask) === 0 || STATUS.BUSY.isSet(words)) return;
    if (HEADER.KIND.get(words) > KIND.MESSAGE_DATA) return;
    STATUS.BUSY.set(words, 1);
    this.#engine.spawn(this.#attack(this.#life), `${this.name} sends`);
  }

  *#attack(life: number): Script {
    const { words } = this.#registers;
    const count = FLOOD.COUNT.get(words) + 1;
    const step = FLOOD.STEP.get(words);
    for (let n = 0; n < count && life === this.#life; n++) {
      if (yield* this.#send(life, (tlp) => this.#fill(tlp, n, step))) this.#count(SENT);
    }
    if (life === this.#life) STATUS.BUSY.set(words, 0);
  }

  *#answer(life: number): Script {
    while (life === this.#life && this.#owed.size > 0) {
      // What comes while the link has no credit is answered together with it.
      yield* this.#send(life, (tlp) => {
        const [agent, tags] = this.#owed.entries().next().value!;
        return invalidateCompletion(tlp, agent, { requester: this.function.requester, tags, count: 1 });
      });
      if (life === this.#life) this.#owed.clear();
    }
    if (life === this.#life) this.#answering = false;
  }

  /** Sends what `fill` makes as soon as the link has credits, past the function and its Bus Master Enable. */
  *#send(life: number, fill: (tlp: Tlp) => Tlp): Script<boolean> {
    const { end } = this.function.endpoint;
    for (;;) {
      if (life !== this.#life) return false;
      const tlp = fill(end.take());
      if (end.canSend(tlp)) {
        end.send(tlp);
        return true;
      }
      end.give(tlp);
      yield this.function.endpoint.credit();
    }
  }

  /** Makes `tlp` the `n`-th of what the registers say. */
  #fill(tlp: Tlp, n: number, step: number): Tlp {
    const { words } = this.#registers;
    const at = ADDRESS.$.offset! / 4;
    const low = (words[at]! >>> 0) + n * step;
    const hi = (words[at + 1]! + Math.floor(low / 2 ** 32)) | 0;
    const lo = low | 0;
    const length = Math.min(LENGTH.LENGTH.get(words), BUFFER_BYTES);
    const requester = HEADER.FORGED.isSet(words) ? IDENTITY.REQUESTER.get(words) : this.function.requester;
    const tag = (IDENTITY.TAG.get(words) + n) % 1024;
    build(tlp, HEADER.KIND.get(words), { requester, tag, hi, lo, length }, words);
    tlp.tag = tag;
    tlp.addressType = HEADER.ADDRESS_TYPE.get(words);
    tlp.attributes = HEADER.ATTRIBUTES.get(words);
    tlp.trafficClass = HEADER.TRAFFIC_CLASS.get(words);
    if (PASID.VALID.isSet(words)) {
      tlp.withPasid(PASID.PASID.get(words), PASID.PRIVILEGED.isSet(words), PASID.EXECUTE.isSet(words));
    }
    if (tlp.data !== null) tlp.data.set(this.#data.subarray(0, tlp.length));
    return tlp;
  }

  #count(register: typeof SENT | typeof COMPLETIONS | typeof INVALIDATIONS | typeof RESPONSES): void {
    const { words } = this.#registers;
    words[register.$.offset! / 4]!++;
  }
}

interface Header {
  readonly requester: number;
  readonly tag: number;
  readonly hi: number;
  readonly lo: number;
  readonly length: number;
}

const CONFIG_OFFSETS = 0xfff;
const WORD = 4;

/** What kind of TLP it is, and the fields that only some kinds have. */
function build(tlp: Tlp, kind: number, { requester, tag, hi, lo, length }: Header, words: Uint32Array): Tlp {
  const completer = TARGET.COMPLETER.get(words);
  switch (kind) {
    case KIND.MEMORY_READ:
      return tlp.memoryRead(requester, tag, hi, lo, length);
    case KIND.MEMORY_WRITE:
      return tlp.memoryWrite(requester, hi, lo, length);
    case KIND.DEFERRABLE_WRITE:
      return tlp.deferrableWrite(requester, tag, hi, lo, length);
    case KIND.COMPLETION:
    case KIND.COMPLETION_DATA: {
      tlp.answer(requester, tag, completer, HEADER.STATUS.get(words), LENGTH.BYTE_COUNT.get(words));
      return kind === KIND.COMPLETION ? tlp : tlp.withData(lo & 0x7f, length);
    }
    case KIND.CONFIG_READ_0:
    case KIND.CONFIG_READ_1:
      return tlp
        .configRead(requester, tag, completer, lo & CONFIG_OFFSETS, Math.min(length, WORD))
        .ofType1(kind === KIND.CONFIG_READ_1);
    case KIND.CONFIG_WRITE_0:
    case KIND.CONFIG_WRITE_1:
      return tlp
        .configWrite(requester, tag, completer, lo & CONFIG_OFFSETS, Math.min(length, WORD))
        .ofType1(kind === KIND.CONFIG_WRITE_1);
    case KIND.MESSAGE:
    case KIND.MESSAGE_DATA: {
      tlp.message(requester, TARGET.MESSAGE_CODE.get(words), [hi, lo]);
      tlp.routing = HEADER.ROUTING.get(words);
      tlp.completer = completer;
      if (kind === KIND.MESSAGE_DATA) tlp.withMessageData(length);
      return tlp;
    }
    default:
      return tlp.atomic(kind, requester, tag, hi, lo, length);
  }
}
