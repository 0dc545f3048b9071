/**
 * The root complex: where PCIe meets memory, the CPU and the translation agent.
 *
 * Offers: `connect` devices of the root complex itself, `addPort` for a root port with a link below it; `attach` a
 * translation agent (without one, addresses pass as they are); `claimMmio` and `integrate` for registers and functions on
 * the platform; to the CPU `configRead`, `configWrite`, `mmioRead`, `mmioWrite`, `directStore`, `deferrableWrite`.
 * Needs: a memory controller; `onInterrupt` for messages that devices write into 0xFEEx_xxxx.
 *
 * Inaccuracies: whatever a device sends to another device by way of the root complex is translated first, also where ACS
 * lets a port do without; ordering attributes let nothing overtake here; a malformed TLP is discarded and counted, not
 * reported.
 */
import { hex } from '../bits/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { asTask, type Component, type Engine, type Script } from '../sim/index.ts';
import { Arrivals } from './arrivals.ts';
import { type Bridge, controlsLink, sensesSlot } from './bridge.ts';
import { CpuAccess, type DeferrableOutcome } from './cpu-access.ts';
import { Endpoint, IntegratedDevice } from './endpoint.ts';
import type { PcieFunction } from './function.ts';
import { Link, type LinkEnd, type LinkSpec } from './link.ts';
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
  /** Whether memory requests of one device reach the registers of another, and their completions that one behind another port. */
  readonly peerToPeer: boolean;
}

/** Not architectural. */
export const ROOT_COMPLEX: RootComplexSpec = {
  requester: 0x0000,
  latency: 25,
  configAccess: 200,
  mmioAccess: 50,
  maxPayload: 256,
  readCompletionBoundary: 64,
  peerToPeer: true,
};

/** For the few messages of a root port, which is a part of the root complex. */
const OWN_MESSAGES: LinkSpec = { generation: 3, width: 1, latency: 0, credits: { PH: 4 } };

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
  messages: number;
  /** TLPs of one device that went on to another. */
  forwarded: number;
  /** Requests that ended without effect: completed with UR or CA, or dropped because they were posted. */
  refused: number;
  /** TLPs that violated the format rules and were discarded. */
  malformed: number;
}

export class RootComplex implements Component<RootComplexSpec, RootComplexState> {
  readonly name: string;
  readonly spec: RootComplexSpec;
  readonly state: RootComplexState = { ...NOTHING };
  readonly ports: RootPort[] = [];
  /** Receives each interrupt message: its address and data, remapped where the agent does so. */
  onInterrupt: (address: number, data: number) => void = ignore;
  readonly #engine: Engine;
  readonly #pool = new TlpPool();
  readonly #routes = new Routes();
  readonly #integrated = new Map<number, IntegratedFunction>();
  readonly #arrivals: Arrivals;
  readonly #cpu: CpuAccess;

  constructor(engine: Engine, controller: MemoryController, spec = ROOT_COMPLEX, name = 'root complex') {
    this.name = name;
    this.spec = spec;
    this.#engine = engine;
    const portOf = (requester: number) => this.#portOf(requester);
    this.#cpu = new CpuAccess(engine, spec, {
      routes: this.#routes,
      integrated: (requester) => this.#integrated.get(requester),
      portOf,
    });
    this.#arrivals = new Arrivals(engine, controller, {
      name,
      spec,
      state: this.state,
      routes: this.#routes,
      portOf,
      onInterrupt: (address, data) => this.onInterrupt(address, data),
      onCompletion: (tlp, port) => this.#cpu.complete(tlp, port),
    });
  }

  /** The agent that translates what devices send; `null` when there is none. */
  get agent(): TranslationAgent | null {
    return this.#arrivals.agent;
  }

  attach(agent: TranslationAgent): void {
    this.#arrivals.attach(agent);
    agent.transmit = (fill) => {
      const tlp = fill(this.#pool.take());
      const port = this.#portOf(tlp.completer);
      // Nobody is there: a message is posted, and who sent it hears nothing.
      if (port === null) this.#pool.give(tlp);
      else port.push(tlp);
    };
  }

  /** What has arrived and is not finished. */
  get inFlight(): number {
    return this.#arrivals.inFlight;
  }

  /** A link of this fabric, for what is put behind a port. */
  link(spec: LinkSpec, name: string): Link {
    const link = new Link(this.#engine, spec, name, this.#pool);
    link.onLost = () => this.#cpu.doubt();
    return link;
  }

  /** Puts a device with these functions on the root complex's own bus, behind a link that nobody sees. */
  connect(spec: LinkSpec, functions: readonly PcieFunction[], name = `link ${this.ports.length}`): Link {
    for (const { spec: fn } of functions) this.#refuseTaken(fn.requester, fn.name);
    const link = this.link(spec, name);
    this.#add(link.top, new IntegratedDevice(new Endpoint(this.#engine, link.bottom, functions)));
    for (const { config } of functions) config.onDecode = () => this.#routes.rebuild(this.ports);
    return link;
  }

  /** A root port, which is the function `requester` on the root complex's bus. Whoever calls connects the link's bottom end. */
  addPort(requester: number, bridge: Bridge, link: Link): void {
    this.integrate(requester, bridge);
    this.#add(link.top, bridge);
    bridge.config.onDecode = () => this.#routes.rebuild(this.ports);
    controlsLink(bridge, link);
    if (bridge.config.slot === null) return;
    // The port's own messages come from nowhere below: they have a way of their own, on which nothing answers.
    const own = this.link(OWN_MESSAGES, `messages of ${bridge.name}`);
    this.#add(own.top, new IntegratedDevice(new Endpoint(this.#engine, own.bottom, [])));
    sensesSlot(bridge, link.top, (fill) => {
      const message = fill(own.bottom.take());
      // Without a credit others are still on their way, and say the same.
      if (own.bottom.canSend(message)) own.bottom.send(message);
      else own.bottom.give(message);
    });
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
  configRead(rid: number, offset: number, size: number): Script<number> {
    return this.#ask('config read', this.#cpu.configRead(rid, offset, size));
  }

  /** Waits for the completion: the write has taken effect. */
  configWrite(rid: number, offset: number, size: number, value: number): Script<void> {
    return this.#ask('config write', this.#cpu.configWrite(rid, offset, size, value));
  }

  /** Reads 1, 2, 4 or 8 bytes; all ones where nothing answers. */
  mmioRead(address: number, size: number): Script<bigint> {
    return this.#ask('register read', this.#cpu.mmioRead(address, size));
  }

  /** Writes 1, 2, 4 or 8 bytes. To a device it is posted: this ends when the link has taken it. */
  mmioWrite(address: number, size: number, value: bigint): Script<void> {
    return this.#cpu.mmioWrite(address, size, value);
  }

  /** Writes up to 64 bytes to a device at once, posted (MOVDIR64B). */
  directStore(address: number, bytes: Uint8Array): Script<void> {
    return this.#cpu.directStore(address, bytes);
  }

  /** Writes 64 bytes that the device may put off (ENQCMD), and hears whether it did. */
  deferrableWrite(address: number, bytes: Uint8Array): Script<DeferrableOutcome> {
    return this.#ask('deferrable write', this.#cpu.deferrableWrite(address, bytes));
  }

  /** Resets itself and its links; devices and their functions reset themselves. */
  reset(): void {
    this.#arrivals.reset();
    this.#cpu.reset();
    for (const port of this.ports) port.reset();
    this.#pool.reset();
    Object.assign(this.state, NOTHING);
  }

  /** A request of the CPU, for whose answer it waits. */
  #ask<T>(kind: string, script: Script<T>): Script<T> {
    return asTask(this.#engine, { kind, who: 'cpu', own: 'route' }, script);
  }

  #add(end: LinkEnd, below: RootPort['below']): void {
    const port = new RootPort(this.#engine, end, below);
    port.onForwarded = (tlp) => this.#arrivals.left(tlp);
    port.onAnswer = (completion) => this.#answer(completion, port);
    end.owner = this.name;
    end.receive = (tlp) => this.#arrivals.receive(port, tlp);
    this.ports.push(port);
  }

  /** A port's own completion of a request that came to it from the CPU or from another port. */
  #answer(completion: Tlp, port: RootPort): void {
    const peer = completion.requester === this.spec.requester ? null : this.#portOf(completion.requester);
    if (peer !== null) {
      peer.push(completion);
      return;
    }
    this.#cpu.complete(completion, port);
    this.#pool.give(completion);
  }

  #refuseTaken(requester: number, name: string): void {
    if (!this.#integrated.has(requester) && this.#portOf(requester) === null) return;
    throw new Error(`${name}: requester id ${hex(requester, 4)} is taken`);
  }

  #portOf(requester: number): RootPort | null {
    return this.ports.find(({ below }) => below.leadsTo(requester)) ?? null;
  }
}

const NOTHING: RootComplexState = {
  reads: 0,
  writes: 0,
  interrupts: 0,
  messages: 0,
  forwarded: 0,
  refused: 0,
  malformed: 0,
};

function ignore(): void {}
