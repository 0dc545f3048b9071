/** A root complex with a root port and a switch below it, and what firmware and a kernel do to make it answer. The CPU is the test. */
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  Bridge,
  type BridgeKind,
  bridgeConfig,
  ConfigSpace,
  Endpoint,
  LINK,
  type Link,
  type LinkEnd,
  PciBridge,
  type PortFeatures,
  ROOT_COMPLEX,
  RootComplex,
  requesterId,
  Switch,
  type Tlp,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';

export const MIB = 2 ** 20;
/** Function 4 of device 28 on bus 0. */
export const ROOT_PORT = requesterId(0, 0x1c, 4);
export const UPSTREAM = requesterId(1, 0, 0);
/** Base addresses of the devices, one MiB each. */
export const barOf = (n: number) => 0xe000_0000 + n * MIB;
/** The device behind downstream port `n`. */
export const ridOf = (n: number) => requesterId(3 + n, 0, 0);
/** The downstream port `n`, on the bus inside the switch. */
export const portOf = (n: number) => requesterId(2, n, 0);

const COMMAND = 0x04;
const BUSES = 0x18;
const MEMORY_WINDOW = 0x20;
const PREFETCHABLE_WINDOW = 0x24;
/** The limit lies below the base. */
const NO_WINDOW = 0xfff0;
/** Memory space and bus master. */
const ON = 0b110;

/** bus 0 -- root port -- bus 1 -- switch -- bus 2 -- ports 0, 1, 2 -- buses 3, 4, 5, a DMA engine on each. */
export class Tree {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 16 * MIB]]);
  readonly root: RootComplex;
  readonly devices: readonly DmaEngine[];
  readonly links: Link[] = [];
  readonly bridges = new Map<string, Bridge>();
  readonly switch: Switch;
  /** What crossed each link, by its name. */
  readonly seen: [link: string, kind: number, requester: number][] = [];

  /** With `slots` every port that leads down has a slot: the root port number 1, those of the switch the numbers from 2 on. */
  constructor(services = 0, count = 3, slots = false) {
    const slot = (number: number) => (slots ? { services, slot: number } : { services });
    const controller = new MemoryController(this.engine, this.memory, { latency: 100, bytesPerNanosecond: 16 });
    this.root = new RootComplex(this.engine, controller, ROOT_COMPLEX);
    const rootLink = this.#link('root port');
    this.root.addPort(ROOT_PORT, this.#bridge('root port', 'root port', ROOT_PORT, slot(1)), rootLink);
    const ports = Array.from({ length: count }, (_, n) => {
      const name = `port ${n}`;
      return { bridge: this.#bridge(name, 'downstream port', n << 3, slot(2 + n)), link: this.#link(name) };
    });
    this.switch = new Switch(
      this.engine,
      'switch',
      { bridge: this.#bridge('upstream', 'upstream port', 0), end: rootLink.bottom },
      ports.map(({ bridge, link }) => ({ bridge, end: link.top })),
    );
    this.devices = ports.map(({ link }, n) => this.device(`dma${n}`, ridOf(n) & 0xff, link.bottom));
  }

  /** A DMA engine at the lower end of a link. It learns its bus from the first configuration write. */
  device(name: string, requester: number, end: LinkEnd): DmaEngine {
    const device = new DmaEngine(this.engine, { ...DMA_ENGINE, name, requester });
    new Endpoint(this.engine, end, device.functions);
    return device;
  }

  run<T>(script: Script<T>): T {
    const result = this.engine.runUntilDone(this.engine.spawn(script));
    this.engine.run();
    return result;
  }

  config(rid: number, offset: number, size = 4): number {
    return this.run(this.root.configRead(rid, offset, size));
  }

  configure(rid: number, offset: number, size: number, value: number): void {
    this.run(this.root.configWrite(rid, offset, size, value));
  }

  /** Numbers the buses, opens the windows, places the base addresses, and lets everybody speak. */
  bringUp(): this {
    const count = this.devices.length;
    const last = 2 + count;
    const lastMib = (0xe00 + count - 1) << 4;
    const window = (0xe00 << 4) | (lastMib << 16);
    this.#open(ROOT_PORT, (1 << 8) | (last << 16), window);
    this.#open(UPSTREAM, 1 | (2 << 8) | (last << 16), window);
    for (let n = 0; n < count; n++) {
      const bus = 3 + n;
      const mib = (0xe00 + n) << 4;
      this.#open(portOf(n), 2 | (bus << 8) | (bus << 16), mib | (mib << 16));
      this.place(ridOf(n), barOf(n));
    }
    return this;
  }

  place(rid: number, address: number): void {
    this.configure(rid, 0x10, 4, address);
    this.configure(rid, 0x14, 4, 0);
    this.configure(rid, COMMAND, 2, ON);
  }

  /** Programs a DMA engine: 8 bytes of its buffer from `address` on, or to it. Gives its STATUS. */
  transfer(n: number, address: bigint, command: number, length = 8): number {
    const { root } = this;
    const bar = barOf(n);
    this.run(
      (function* () {
        yield* root.mmioWrite(bar + 0x08, 8, address);
        yield* root.mmioWrite(bar + 0x10, 4, BigInt(length));
        yield* root.mmioWrite(bar + 0x18, 4, BigInt(command));
      })(),
    );
    return Number(this.run(root.mmioRead(bar + 0x1c, 4)));
  }

  read(address: number, size = 8): bigint {
    return this.run(this.root.mmioRead(address, size));
  }

  write(address: number, size: number, value: bigint): void {
    this.run(this.root.mmioWrite(address, size, value));
  }

  /** Sees what crosses the links from now on. */
  watch(select: (tlp: Tlp) => boolean = (tlp) => tlp.isMemoryRequest): this {
    this.seen.length = 0;
    for (const link of this.links) {
      link.probe = (tlp, direction) => {
        if (select(tlp)) this.seen.push([`${link.name} ${direction}`, tlp.kind, tlp.requester]);
      };
    }
    return this;
  }

  /** Where it went. */
  get way(): string[] {
    return this.seen.map(([link]) => link);
  }

  addPciBridge(name: string, end: LinkEnd): { readonly bridge: PciBridge; readonly bus: Link } {
    const bus = this.#link(name);
    return { bridge: new PciBridge(name, { bridge: this.#bridge(name, 'PCI bridge', 0), end }, bus.top), bus };
  }

  #open(rid: number, buses: number, window: number): void {
    this.configure(rid, BUSES, 4, buses);
    this.configure(rid, MEMORY_WINDOW, 4, window);
    this.configure(rid, PREFETCHABLE_WINDOW, 4, NO_WINDOW);
    this.configure(rid, COMMAND, 2, ON);
  }

  #bridge(name: string, kind: BridgeKind, fn: number, features: PortFeatures = {}): Bridge {
    const bridge = new Bridge(name, new ConfigSpace(bridgeConfig(kind, { ...features, ports: 32 })), fn & 0xff);
    this.bridges.set(name, bridge);
    return bridge;
  }

  #link(name: string): Link {
    const link = this.root.link(LINK, name);
    this.links.push(link);
    return link;
  }
}
