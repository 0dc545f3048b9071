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
import { highOf, lowOf, RegisterFile } from '../../bits/index.ts';
import { type Device, type FunctionBehaviour, MessageCode, PcieFunction, type Tlp } from '../../pcie/index.ts';
import { type Component, type Engine, Gate, ns, type Script, type Signal } from '../../sim/index.ts';
import { build, KIND } from './build.ts';
import { CONFIG } from './config.ts';
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
  LENGTH,
  MAGIC,
  MALICIOUS_REGISTERS,
  PASID,
  RECEIVED_OFFSET,
  REGISTER_BYTES,
  RESPONSES,
  REVISION,
  SENT,
  STATUS,
} from './spec.ts';

export interface MaliciousSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it claims to handle: 128 to 4096 bytes. */
  readonly payloadSupported: number;
  /** What it does by itself as soon as it has power; `null`, or nothing, when it waits to be told. */
  readonly early?: EarlyWrites | null;
}

/** Writes of zeros to one place. */
export interface EarlyWrites {
  readonly address: bigint;
  /** At most what one TLP carries on its link. */
  readonly length: number;
  /** Nanoseconds before each. */
  readonly every: number;
  readonly count: number;
}

/** Not architectural. */
export const MALICIOUS = { payloadSupported: 512 } as const;

export interface MaliciousState {
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
}

export class Malicious implements Component<MaliciousSpec, MaliciousState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: MaliciousSpec;
  readonly function: PcieFunction;
  readonly #engine: Engine;
  readonly #registers = new RegisterFile(REGISTER_BYTES, MALICIOUS_REGISTERS);
  readonly #data = new Uint8Array(BUFFER_BYTES);
  readonly #received = new Uint8Array(BUFFER_BYTES);
  /** ITags to be answered, one bit each, and who sent them. */
  #owed: { readonly agent: number; tags: number } | null = null;
  #answering = false;
  /** Happens when the link may have a credit, and when what was begun is not gone on with. */
  #mayGoOn: Gate;
  #isListening = false;
  /** Changes with STOP and each reset: what was begun before is not gone on with. */
  #life = 0;

  constructor(engine: Engine, spec: MaliciousSpec) {
    const { name, requester, payloadSupported } = spec;
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester, payloadSupported }, this);
    this.#engine = engine;
    this.#mayGoOn = this.#gate();
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(CONTROL.$.offset!, (written) => this.#control(written));
    this.#powerOn();
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
    this.#owed ??= { agent, tags: 0 };
    if (this.#owed.agent !== agent) return;
    this.#owed.tags |= 1 << tag;
    if (!this.#answering) this.#engine.spawn(this.#answer(this.#life), `${this.name} answers invalidations`);
    this.#answering = true;
  }

  functionLevelReset(): void {
    this.#stop();
    this.#registers.reset();
    this.#data.fill(0);
    this.#received.fill(0);
  }

  reset(): void {
    // Who waits is of before the reset and must not wake.
    this.#mayGoOn = this.#gate();
    this.#isListening = false;
    this.functionLevelReset();
    this.function.reset();
    this.#powerOn();
  }

  #powerOn(): void {
    const { early } = this.spec;
    if (early) this.#engine.spawn(this.#writeEarly(early, this.#life), `${this.name} has power`);
  }

  *#writeEarly({ address, length, every, count }: EarlyWrites, life: number): Script {
    const [hi, lo] = [highOf(address), lowOf(address)];
    for (let n = 0; n < count && life === this.#life; n++) {
      yield ns(every);
      const sent = yield* this.#send(life, (tlp) => {
        tlp.memoryWrite(this.function.requester, hi, lo, length).data!.fill(0, 0, length);
        return tlp;
      });
      if (sent) this.#count(SENT);
    }
  }

  #control(written: number): void {
    const { words } = this.#registers;
    if ((written & CONTROL.STOP.mask) !== 0) {
      this.#stop();
      STATUS.BUSY.set(words, 0);
    }
    if ((written & CONTROL.START.mask) === 0 || STATUS.BUSY.isSet(words)) return;
    if (HEADER.KIND.get(words) > KIND.MESSAGE_DATA) return;
    STATUS.BUSY.set(words, 1);
    this.#engine.spawn(this.#attack(this.#life), `${this.name} sends`);
  }

  #stop(): void {
    this.#life++;
    this.#answering = false;
    this.#owed = null;
    this.#mayGoOn.notify();
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
    while (life === this.#life && this.#owed !== null) {
      // What comes while the link has no credit is answered together with it.
      yield* this.#send(life, (tlp) => {
        const { agent, tags } = this.#owed!;
        return invalidateCompletion(tlp, agent, { requester: this.function.requester, tags, count: 1 });
      });
      if (life === this.#life) this.#owed = null;
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
      yield this.#credit();
    }
  }

  /** The next credit, or the end of what was begun: whoever starts and stops for ever leaves nobody waiting. */
  #credit(): Signal {
    if (!this.#isListening) {
      this.#isListening = true;
      this.function.endpoint.credit().wake({
        handle: () => {
          this.#isListening = false;
          this.#mayGoOn.notify();
        },
      });
    }
    return this.#mayGoOn.wait();
  }

  #gate(): Gate {
    return new Gate(this.#engine, `a credit for ${this.name}`);
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
