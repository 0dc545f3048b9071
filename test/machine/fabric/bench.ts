/** A fabric that was built from a plan and brought up by its CPU, with functions that are memory and have a requester each. */
import { MemoryController, PhysicalMemory } from '../../../hardware/memory/index.ts';
import {
  COMMAND_STATUS,
  type Device,
  type FunctionBehaviour,
  type Link,
  PcieFunction,
  Requester,
  ROOT_COMPLEX,
  RootComplex,
  type Tlp,
} from '../../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../../hardware/sim/index.ts';
import { buildFabric, type Fabric } from '../../../src/machine/fabric/build.ts';
import { type Plan, planBuses } from '../../../src/machine/fabric/plan.ts';
import { Agent } from './agent.ts';
import { bytesOf, FIRST_WRITER, writerOf } from './bytes.ts';
import { BAR_BYTES, inTurn, type Layout, layOut, type Site } from './layout.ts';
import type { FabricPlan } from './plans.ts';

/** Traffic goes to an area of host memory and of each base address that lies around a 4 KiB boundary. */
export const HOST_AREA = 0x1800;
export const AREA_IN_BAR = 0x800;
/** Cells for AtomicOps, above everything else. */
export const CELLS = 0x8000;
export const MEMORY_BYTES = 0x9000;

const VENDOR = 0x1234;
const BUS_NUMBERS_AT = 0x18;
const MEMORY_WINDOW_AT = 0x20;
const PREFETCHABLE_WINDOW_AT = 0x24;
const NO_WINDOW = 0xfff0;
const DEVICE_CONTROL_AT = 0x48;
/** No Snoop, extended tags and Relaxed Ordering. */
const ATTRIBUTES_AND_TAGS = 0x0910;
const DEVICE_CONTROL_2_AT = 0x68;
/** AtomicOp Requester Enable, IDO Request Enable, and perhaps IDO Completion Enable. */
const control2 = (ordersById: boolean) => (ordersById ? 0x0340 : 0x0140);
const MEMORY_AND_MASTER = 0b110;

/** What stands at first in memory, and in a function, as both begin on a boundary of 256 bytes. */
const UNTOUCHED = bytesOf(FIRST_WRITER, 0, MEMORY_BYTES);

/** What a witness is told of what arrives at the end of its way. */
export interface Observer {
  /** Bytes were written into host memory (site null) or into a function. */
  written(site: Site | null, address: number, bytes: Uint8Array): void;
  message(site: Site, tlp: Tlp): void;
  /** A message has come to the root complex or its agent. */
  told(tlp: Tlp): void;
  /** Before the requester gets it. */
  completion(site: Site, tlp: Tlp): void;
}

class WatchedMemory extends PhysicalMemory {
  onWrite: (address: number, bytes: Uint8Array) => void = () => {};

  override write(address: number, bytes: Uint8Array): boolean {
    this.onWrite(address, bytes);
    return super.write(address, bytes);
  }
}

/** A function as a device: its range is memory. It puts off deferrable writes of every third writer. */
export class Memory implements Device, FunctionBehaviour {
  readonly name: string;
  readonly site: Site;
  readonly function: PcieFunction;
  readonly functions: readonly PcieFunction[];
  readonly dma: Requester;
  readonly bytes: Uint8Array;
  readonly state = null;
  observer: Observer | null = null;

  constructor(engine: Engine, site: Site, requester: number, tags: number) {
    this.name = site.name;
    this.site = site;
    this.bytes = UNTOUCHED.slice(0, BAR_BYTES);
    this.function = new PcieFunction(
      {
        name: site.name,
        requester,
        vendor: VENDOR,
        device: requester,
        revision: 0,
        classCode: 0,
        bars: [{ index: 0, size: BAR_BYTES, wide: false, prefetchable: false }],
        msiVectors: 0,
        payloadSupported: 512,
        capabilities: { aer: true },
      },
      this,
    );
    this.functions = [this.function];
    this.dma = new Requester(engine, this.function, { tags });
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    into.set(this.bytes.subarray(offset, offset + length));
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    const bytes = from.slice(0, length);
    this.observer?.written(this.site, this.site.base + offset, bytes);
    this.bytes.set(bytes, offset);
  }

  deferrableWrite(bar: number, offset: number, from: Uint8Array, length: number): boolean {
    const isAccepted = accepts(writerOf(from[0]!, this.site.base + offset));
    if (isAccepted) this.memoryWrite(bar, offset, from, length);
    return isAccepted;
  }

  completion(tlp: Tlp): void {
    this.observer?.completion(this.site, tlp);
    this.dma.completion(tlp);
  }

  message(tlp: Tlp): void {
    this.observer?.message(this.site, tlp);
  }

  reset(): void {}
}

/** Whether a function takes a deferrable write of `writer`. */
export function accepts(writer: number): boolean {
  return writer % 3 !== 0;
}

export class FabricBench {
  readonly engine = new Engine();
  readonly memory = new WatchedMemory([[0, MEMORY_BYTES]]);
  readonly root: RootComplex;
  readonly agent: Agent;
  readonly layout: Layout;
  readonly fabric: Fabric;
  readonly links: readonly Link[];
  /** In the order of the sites. */
  readonly devices: readonly Memory[];
  readonly #buses: Plan;

  constructor(plan: FabricPlan) {
    const { engine, memory } = this;
    const { host, requesters } = plan;
    this.layout = layOut(plan);
    const controller = new MemoryController(engine, memory, { latency: host.latency, bytesPerNanosecond: 16 });
    this.root = new RootComplex(engine, controller, {
      ...ROOT_COMPLEX,
      maxPayload: host.maxPayload,
      readCompletionBoundary: host.boundary,
    });
    this.agent = new Agent(engine, plan);
    this.root.attach(this.agent);
    const buses = planBuses(this.layout.spec);
    this.#buses = buses;
    this.devices = this.layout.sites.map(
      (site, i) => new Memory(engine, site, buses.requesterOf(site.at), inTurn(requesters, i).tags),
    );
    const byName = new Map(this.devices.map((device) => [device.name, device]));
    this.fabric = buildFabric(engine, this.root, this.layout.spec, buses, byName);
    this.links = this.fabric.links.map(({ link }) => link);
    memory.write(0, UNTOUCHED.subarray(0, CELLS));
    engine.runUntilDone(engine.spawn(this.#bringUp(plan)));
    engine.run();
  }

  deviceOf(site: Site): Memory {
    return this.devices[this.layout.sites.indexOf(site)]!;
  }

  /** Ids of everything that has a configuration space, and what its first word is. */
  get identities(): { readonly id: number; readonly word: number }[] {
    const bridges = [...this.fabric.bridges].map(([name, { config }]) => ({
      id: this.#buses.buses.get(name)!.requester,
      word: config.read(0, 4) >>> 0,
    }));
    const functions = this.devices.map(({ function: fn }) => ({
      id: fn.requester,
      word: (VENDOR | (fn.requester << 16)) >>> 0,
    }));
    return [...bridges, ...functions];
  }

  /** Tells `observer` of everything from now on. */
  watch(observer: Observer): void {
    this.memory.onWrite = (address, bytes) => {
      if (address < CELLS) observer.written(null, address, bytes);
    };
    for (const device of this.devices) device.observer = observer;
    this.agent.onMessage = (tlp) => observer.told(tlp);
  }

  /** What firmware does: windows, base addresses, sizes, access control. */
  *#bringUp({ payload, requesters, rootPorts }: FabricPlan): Script {
    const { root, layout } = this;
    const command = COMMAND_STATUS.$.offset!;
    const rootPortNames = layout.spec.rootPorts.map(({ name }) => name);
    for (const [name, { first, last }] of layout.windows) {
      const { requester, secondary, subordinate, primary } = this.#buses.buses.get(name)!;
      yield* root.configWrite(requester, BUS_NUMBERS_AT, 4, primary | (secondary << 8) | (subordinate << 16));
      yield* root.configWrite(requester, MEMORY_WINDOW_AT, 4, (first << 4) | (last << 20));
      yield* root.configWrite(requester, PREFETCHABLE_WINDOW_AT, 4, NO_WINDOW);
      yield* root.configWrite(requester, DEVICE_CONTROL_AT, 2, payload << 5);
      yield* root.configWrite(requester, command, 2, MEMORY_AND_MASTER);
      // A port of a switch does not keep what is written here.
      const ordersById = rootPorts[rootPortNames.indexOf(name)]?.ordersById ?? true;
      yield* root.configWrite(requester, DEVICE_CONTROL_2_AT, 2, control2(ordersById));
      const acs = layout.acs.get(name);
      if (acs === undefined) continue;
      const at = this.fabric.bridges.get(name)!.config.acs!.offset;
      yield* root.configWrite(requester, at + 8, 4, acs.egress);
      yield* root.configWrite(requester, at + 6, 2, acs.enabled);
    }
    for (const [i, { function: fn, site }] of this.devices.entries()) {
      const { readRequest, ordersById } = inTurn(requesters, i);
      const control = ATTRIBUTES_AND_TAGS | (payload << 5) | (readRequest << 12);
      yield* root.configWrite(fn.requester, 0x10, 4, site.base);
      yield* root.configWrite(fn.requester, DEVICE_CONTROL_AT, 2, control);
      yield* root.configWrite(fn.requester, DEVICE_CONTROL_2_AT, 2, control2(ordersById));
      yield* root.configWrite(fn.requester, command, 2, MEMORY_AND_MASTER);
    }
  }
}
