/**
 * The root complex: where PCIe meets memory, the CPU and the translation agent.
 *
 * Offers: `connect` functions over a link to a new root port; `attach` a translation agent (without one, addresses pass as
 * they are); `claimMmio` and `integrate` for registers and functions on the platform; to the CPU `configRead`, `configWrite`, `mmioRead`, `mmioWrite`.
 * Needs: a memory controller; `onInterrupt` for messages that devices write into 0xFEEx_xxxx.
 *
 * Inaccuracies: the ports have no configuration space of their own and all functions are on the bus numbers of their
 * requester ids; addresses are decoded from the functions' base addresses rather than from port windows; peer-to-peer
 * requests are unsupported; a malformed TLP is discarded and counted, not reported.
 */
import { hex, highHalf, lowHalf } from '../bits/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { type Component, type Duration, type Engine, ns, type Script } from '../sim/index.ts';
import { Arrivals } from './arrivals.ts';
import { Endpoint } from './endpoint.ts';
import type { PcieFunction } from './function.ts';
import { Link, type LinkSpec } from './link.ts';
import { Outbound } from './outbound.ts';
import { RootPort } from './root-port.ts';
import { type MmioTarget, Routes } from './routes.ts';
import type { Tlp } from './tlp.ts';
import { TlpPool } from './tlp-pool.ts';
import type { TranslationAgent } from './translation.ts';

export interface RootComplexSpec {
  /** Its id as a requester and a completer. */
  readonly requester: number;
  /** Nanoseconds of a memory request between its link and the translation agent. */
  readonly latency: number;
  /** Nanoseconds that the CPU and the root complex spend on a configuration access, without the link. */
  readonly configAccess: number;
  /** Nanoseconds that they spend on a memory-mapped access, without the link. */
  readonly mmioAccess: number;
  /** Largest completion that it sends, in bytes; a smaller Max_Payload_Size of the requester prevails. */
  readonly maxPayload: number;
  /** 64 or 128 bytes. */
  readonly readCompletionBoundary: number;
}

/** Not architectural. */
export const ROOT_COMPLEX: RootComplexSpec = {
  requester: 0x0000,
  latency: 25,
  configAccess: 200,
  mmioAccess: 50,
  maxPayload: 256,
  readCompletionBoundary: 64,
};

/** A function of the root complex itself, known by its configuration space. `size` is 1, 2 or 4 bytes within a word. */
export interface IntegratedFunction {
  readConfig(offset: number, size: number): number;
  writeConfig(offset: number, size: number, value: number): void;
}

export interface RootComplexState {
  /** Memory requests that reached memory. */
  reads: number;
  writes: number;
  interrupts: number;
  /** Requests that ended without effect: completed with UR or CA, or dropped because they were posted. */
  refused: number;
  /** TLPs that violated the format rules and were discarded. */
  malformed: number;
}

export class RootComplex implements Component<RootComplexSpec, RootComplexState> {
  readonly name: string;
  readonly spec: RootComplexSpec;
  readonly state: RootComplexState = { reads: 0, writes: 0, interrupts: 0, refused: 0, malformed: 0 };
  readonly ports: RootPort[] = [];
  readonly #engine: Engine;
  readonly #pool = new TlpPool();
  readonly #routes = new Routes();
  readonly #integrated = new Map<number, IntegratedFunction>();
  readonly #arrivals: Arrivals;
  readonly #outbound: Outbound;
  readonly #configAccess: Duration;
  readonly #mmioAccess: Duration;

  constructor(engine: Engine, controller: MemoryController, spec = ROOT_COMPLEX, name = 'root complex') {
    this.name = name;
    this.spec = spec;
    this.#engine = engine;
    this.#configAccess = ns(spec.configAccess);
    this.#mmioAccess = ns(spec.mmioAccess);
    this.#outbound = new Outbound(engine);
    this.#arrivals = new Arrivals(engine, controller, this.#routes, spec, this.state);
    this.#arrivals.onCompletion = (tlp) => this.#outbound.complete(tlp);
  }

  /** The agent that translates what devices send; `null` when there is none. */
  get agent(): TranslationAgent | null {
    return this.#arrivals.agent;
  }

  attach(agent: TranslationAgent): void {
    this.#arrivals.attach(agent);
  }

  /** Receives each interrupt message: its address and data, remapped where the agent does so. */
  set onInterrupt(deliver: (address: number, data: number) => void) {
    this.#arrivals.onInterrupt = deliver;
  }

  /** Memory requests and completions that have arrived and are not finished. */
  get inFlight(): number {
    return this.#arrivals.inFlight;
  }

  /** Puts a device with these functions behind a new root port. */
  connect(spec: LinkSpec, functions: readonly PcieFunction[], name = `link ${this.ports.length}`): Link {
    for (const { spec: fn } of functions) this.#refuseTaken(fn.requester, fn.name);
    const link = new Link(this.#engine, spec, name, this.#pool);
    const port = new RootPort(this.#engine, link.top, new Endpoint(this.#engine, link.bottom, functions));
    link.top.receive = (tlp) => this.#arrivals.receive(port, tlp);
    for (const { config } of functions) config.onDecode = () => this.#routes.rebuild(this.ports);
    this.ports.push(port);
    return link;
  }

  /** Leads CPU accesses of [start, start + length) to `target`, and keeps devices out of it. */
  claimMmio(start: number, length: number, target: MmioTarget): void {
    this.#routes.claim(start, length, target);
    this.#routes.rebuild(this.ports);
  }

  /** Makes `fn` a function of the root complex: nothing lies between it and the CPU. */
  integrate(requester: number, fn: IntegratedFunction): void {
    this.#refuseTaken(requester, 'a function of the root complex');
    this.#integrated.set(requester, fn);
  }

  /** Reads 1, 2 or 4 bytes of a function's configuration space; all ones where there is no function. */
  *configRead(rid: number, offset: number, size: number): Script<number> {
    yield this.#configAccess;
    const own = this.#integrated.get(rid);
    if (own !== undefined) return own.readConfig(offset, size);
    const port = this.#portOf(rid);
    if (port === null) return allOnes(size);
    const { requester } = this.spec;
    const fill = (tlp: Tlp, tag: number) => tlp.configRead(requester, tag, rid, offset, size);
    const word = yield* this.#outbound.request(port, fill);
    return word === null ? allOnes(size) : Number(BigInt.asUintN(size * 8, word >> BigInt((offset & 3) * 8)));
  }

  /** Waits for the completion: the write has taken effect. */
  *configWrite(rid: number, offset: number, size: number, value: number): Script<void> {
    yield this.#configAccess;
    this.#integrated.get(rid)?.writeConfig(offset, size, value);
    const port = this.#portOf(rid);
    if (port === null) return;
    yield* this.#outbound.request(port, (tlp, tag) => {
      tlp.configWrite(this.spec.requester, tag, rid, offset, size);
      for (let i = 0; i < size; i++) tlp.data![i] = value >>> (i * 8);
      return tlp;
    });
  }

  /** Reads 1, 2, 4 or 8 bytes; all ones where nothing answers. */
  *mmioRead(address: number, size: number): Script<bigint> {
    yield this.#mmioAccess;
    const route = this.#routes.find(address, size);
    if (route === null) return BigInt.asUintN(size * 8, -1n);
    if (!(route.to instanceof RootPort)) return route.to.read(address - route.start, size);
    const { requester } = this.spec;
    const fill = (tlp: Tlp, tag: number) => tlp.memoryRead(requester, tag, highHalf(address), lowHalf(address), size);
    const value = yield* this.#outbound.request(route.to, fill);
    return BigInt.asUintN(size * 8, value ?? -1n);
  }

  /** Writes 1, 2, 4 or 8 bytes. To a device it is posted: this ends when the link has taken it. */
  *mmioWrite(address: number, size: number, value: bigint): Script<void> {
    yield this.#mmioAccess;
    const route = this.#routes.find(address, size);
    if (route === null) return;
    if (!(route.to instanceof RootPort)) {
      route.to.write(address - route.start, size, value);
      return;
    }
    const tlp = route.to.end.take().memoryWrite(this.spec.requester, highHalf(address), lowHalf(address), size);
    for (let i = 0; i < size; i++) tlp.data![i] = Number(BigInt.asUintN(8, value >> BigInt(i * 8)));
    yield* route.to.transmit(tlp);
  }

  /** Resets itself and its links; devices and their functions reset themselves. */
  reset(): void {
    this.#arrivals.reset();
    this.#outbound.reset();
    for (const port of this.ports) port.reset();
    this.#pool.reset();
    Object.assign(this.state, { reads: 0, writes: 0, interrupts: 0, refused: 0, malformed: 0 });
  }

  #refuseTaken(requester: number, name: string): void {
    if (!this.#integrated.has(requester) && this.#portOf(requester) === null) return;
    throw new Error(`${name}: requester id ${hex(requester, 4)} is taken`);
  }

  #portOf(rid: number): RootPort | null {
    return this.ports.find(({ functions }) => functions.some(({ spec }) => spec.requester === rid)) ?? null;
  }
}

function allOnes(size: number): number {
  return 2 ** (size * 8) - 1;
}
