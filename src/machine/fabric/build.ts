/** Puts ports, switches, bridges and devices together as a specification says. */
import {
  Bridge,
  type BridgeKind,
  bridgeConfig,
  ConfigSpace,
  type Device,
  Endpoint,
  type Link,
  type LinkEnd,
  PciBridge,
  type PcieFunction,
  type PortFeatures,
  type RootComplex,
  Switch,
  type SwitchPort,
  type LinkSpec as WireSpec,
} from '../../../hardware/pcie/index.ts';
import type { Engine } from '../../../hardware/sim/index.ts';
import type { MachineSpec } from '../schema.ts';
import { busOf, downstreamName, type Plan, slotOf } from './plan.ts';
import { servicesOf } from './schema.ts';

/** A link and the names of what it joins. */
export interface NamedLink {
  readonly link: Link;
  readonly above: string;
  readonly below: string;
}

/** What the way to the devices is made of. */
export interface Fabric {
  readonly links: readonly NamedLink[];
  /** Ports by name; each has its configuration space. */
  readonly bridges: ReadonlyMap<string, Bridge>;
  /** Switches and PCI bridges by name. */
  readonly switches: ReadonlyMap<string, Switch | PciBridge>;
  /** The links to what stands in slots, by the name of the device, switch or bridge there. */
  readonly slots: ReadonlyMap<string, Link>;
  /** Gives every bridge its bus numbers, as firmware does after power-on. */
  number(): void;
  /** Everything below the root complex but the devices, which reset themselves. Before the root complex, which takes all TLPs back. */
  reset(): void;
}

/** The part of a machine specification that says what the fabric is made of. */
export type FabricSpec = Pick<MachineSpec, 'rootPorts' | 'switches' | 'bridges' | 'link' | 'seed'> & {
  readonly devices: readonly { readonly name: string; readonly at: string }[];
};

type SwitchSpec = FabricSpec['switches'][number];
type LinkSpec = FabricSpec['link'];

export function buildFabric(
  engine: Engine,
  root: RootComplex,
  spec: FabricSpec,
  plan: Plan,
  devices: ReadonlyMap<string, Device>,
): Fabric {
  const builder = new FabricBuilder(engine, root, spec, plan, devices);
  builder.build();
  return builder;
}

class FabricBuilder implements Fabric {
  readonly links: NamedLink[] = [];
  readonly bridges = new Map<string, Bridge>();
  readonly switches = new Map<string, Switch | PciBridge>();
  readonly slots = new Map<string, Link>();
  readonly #engine: Engine;
  readonly #root: RootComplex;
  readonly #spec: FabricSpec;
  readonly #plan: Plan;
  readonly #devices: ReadonlyMap<string, Device>;
  readonly #endpoints: Endpoint[] = [];
  #slotCount = 0;

  constructor(engine: Engine, root: RootComplex, spec: FabricSpec, plan: Plan, devices: ReadonlyMap<string, Device>) {
    this.#engine = engine;
    this.#root = root;
    this.#spec = spec;
    this.#plan = plan;
    this.#devices = devices;
  }

  build(): void {
    this.#connectIntegrated();
    for (const { name, at, acs, slot, link } of this.#spec.rootPorts) {
      const requester = this.#plan.requesterOf(at);
      const bridge = this.#bridge(name, 'root port', {
        fn: requester,
        services: servicesOf(acs),
        ...this.#slot(slot),
      });
      const { generation, width } = link ?? this.#spec.link;
      const hasSiblings = this.#spec.rootPorts.some((other) => other.name !== name && slotOf(other.at) === slotOf(at));
      bridge.config.describePlace(generation, width, hasSiblings);
      const wire = this.#link(link ?? this.#spec.link, 'root', name);
      if (slot) this.#nameSlot(name, wire);
      this.#root.addPort(requester, bridge, wire);
      this.#connectBelow(name, wire.bottom);
    }
    this.number();
  }

  number(): void {
    for (const [name, { primary, secondary, subordinate }] of this.#plan.buses) {
      this.bridges.get(name)!.number(primary, secondary, subordinate);
    }
  }

  reset(): void {
    // What is on the links goes back to the pool before that counts as empty.
    for (const { link } of this.links) link.reset();
    for (const part of [...this.switches.values(), ...this.#endpoints]) part.reset();
  }

  /** On bus 0: one private link for all functions of a device number. */
  #connectIntegrated(): void {
    const slots = new Map<number, PcieFunction[]>();
    for (const fn of this.#functionsOn('00')) {
      const slot = fn.spec.requester >>> 3;
      slots.set(slot, [...(slots.get(slot) ?? []), fn]);
    }
    for (const functions of slots.values()) {
      const name = namesOf(functions);
      this.links.push({
        link: this.#root.connect(this.#wire(this.#spec.link), functions, name),
        above: 'root',
        below: name,
      });
    }
  }

  /** What a specification has put behind a port: one switch, one bridge, or the functions of one device. */
  #connectBelow(port: string, end: LinkEnd): void {
    const below = this.#spec.switches.find(({ at }) => busOf(at) === port);
    const bridge = this.#spec.bridges.find(({ at }) => busOf(at) === port);
    const functions = this.#functionsOn(port);
    if (below !== undefined) this.#addSwitch(below, end);
    else if (bridge !== undefined) this.#addPciBridge(bridge.name, end);
    else this.#endpoints.push(new Endpoint(this.#engine, end, functions));
  }

  #addSwitch({ name, ports, acs, slots, latency, link }: SwitchSpec, end: LinkEnd): void {
    const services = servicesOf(acs);
    const below = Array.from({ length: ports }, (_, i): SwitchPort & { readonly wire: Link; readonly port: string } => {
      const port = downstreamName(name, i);
      const wire = this.#link(link ?? this.#spec.link, name, port);
      if (slots) this.#nameSlot(port, wire);
      return {
        bridge: this.#bridge(port, 'downstream port', { fn: i << 3, services, ports, ...this.#slot(slots) }),
        end: wire.top,
        wire,
        port,
      };
    });
    const upstream = { bridge: this.#bridge(name, 'upstream port', { fn: 0 }), end };
    this.switches.set(name, new Switch(this.#engine, name, upstream, below, { latency }));
    for (const { wire, port } of below) this.#connectBelow(port, wire.bottom);
  }

  #addPciBridge(name: string, end: LinkEnd): void {
    const below = namesOf(this.#functionsOn(name));
    const bus = this.#root.link(this.#wire(this.#spec.link), below);
    this.links.push({ link: bus, above: name, below });
    const bridge = this.#bridge(name, 'PCI bridge', { fn: 0 });
    this.switches.set(name, new PciBridge(name, { bridge, end }, bus.top));
    this.#endpoints.push(new Endpoint(this.#engine, bus.bottom, this.#functionsOn(name)));
  }

  #bridge(name: string, kind: BridgeKind, { fn, ...features }: PortFeatures & { readonly fn: number }): Bridge {
    const bridge = new Bridge(name, new ConfigSpace(bridgeConfig(kind, features)), fn);
    this.bridges.set(name, bridge);
    return bridge;
  }

  /** Slots are numbered from 1 on. */
  #slot(isThere: boolean): { readonly slot?: number } {
    return isThere ? { slot: ++this.#slotCount } : {};
  }

  /** What stands behind a port with a slot is known by each of its names. */
  #nameSlot(port: string, link: Link): void {
    const { switches, bridges, devices } = this.#spec;
    for (const { name, at } of [...switches, ...bridges, ...devices])
      if (busOf(at) === port) this.slots.set(name, link);
  }

  /** A specification's link; its errors come from the machine's seed. */
  #wire(link: LinkSpec): WireSpec {
    return { ...link, errors: link.errors && { ...link.errors, seed: this.#spec.seed } };
  }

  /** The link below a port is known by what it leads to. */
  #link(spec: LinkSpec, above: string, port: string): Link {
    const isBelow = ({ at }: { readonly at: string }) => busOf(at) === port;
    const node = this.#spec.switches.find(isBelow) ?? this.#spec.bridges.find(isBelow);
    const below = node?.name ?? (namesOf(this.#functionsOn(port)) || port);
    const link = this.#root.link(this.#wire(spec), below);
    this.links.push({ link, above, below });
    return link;
  }

  /** Functions of the devices on a bus, in the order of the specification. */
  #functionsOn(bus: string): PcieFunction[] {
    return this.#spec.devices
      .filter(({ at }) => busOf(at) === bus)
      .flatMap(({ name }) => [...this.#devices.get(name)!.functions]);
  }
}

function namesOf(functions: readonly PcieFunction[]): string {
  return functions.map(({ name }) => name).join('+');
}
