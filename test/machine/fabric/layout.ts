/** Where everything in a fabric is: its specification, names, addresses, and the way from each function up to the root. */
import { SizeCode } from '../../../hardware/pcie/index.ts';
import type { FabricSpec } from '../../../src/machine/fabric/build.ts';
import { downstreamName } from '../../../src/machine/fabric/plan.ts';
import { type AcsPlan, type FabricPlan, linkSpec, type NodePlan, type PortPlan } from './plans.ts';

export const MIB = 2 ** 20;
const MMIO = 0xe000_0000;
/** Bytes of a function's base address; the first function of a device begins a MiB. */
export const BAR_BYTES = 0x2000;
const FUNCTION_BYTES = 0x1_0000;
const EVERY_SERVICE = [
  'source-validation',
  'translation-blocking',
  'request-redirect',
  'completion-redirect',
  'upstream-forwarding',
  'egress-control',
  'direct-translated',
];

/** A place that a TLP comes to on its way up. */
export interface Hop {
  readonly kind: 'private' | 'bridge' | 'downstream' | 'root';
  readonly name: string;
  readonly acs: AcsPlan;
  /** What it answers, or the root complex through it, has ID-based ordering. */
  readonly ordersById: boolean;
  /** The downstream ports of the same switch, itself among them. */
  readonly siblings: readonly Hop[];
}

/** A function. */
export interface Site {
  readonly name: string;
  readonly at: string;
  /** Its base address. */
  readonly base: number;
  /** What it answers has ID-based ordering. */
  readonly ordersById: boolean;
  /** From itself up. */
  readonly hops: readonly Hop[];
}

/** What a bridge forwards down: MiB, by their numbers. */
export interface Window {
  readonly first: number;
  readonly last: number;
}

export interface Layout {
  readonly payload: number;
  readonly spec: FabricSpec;
  readonly sites: readonly Site[];
  /** By the name of the bridge, from the root down. */
  readonly windows: ReadonlyMap<string, Window>;
  /** Of root ports and downstream ports. */
  readonly acs: ReadonlyMap<string, AcsPlan>;
}

/** A place that is no port with access control, and that sets no ID-based ordering. */
const PLAIN = { acs: { enabled: 0, egress: 0 }, ordersById: false, siblings: [] } as const;

/** Root ports begin at device 8, integrated devices at device 1. */
const FIRST_PORT = 8;

export function layOut(plan: FabricPlan): Layout {
  return new Surveyor(plan);
}

class Surveyor implements Layout {
  readonly payload: number;
  readonly spec: FabricSpec & {
    readonly rootPorts: FabricSpec['rootPorts'][number][];
    readonly switches: FabricSpec['switches'][number][];
    readonly bridges: FabricSpec['bridges'][number][];
    readonly devices: { name: string; at: string }[];
  };
  readonly sites: Site[] = [];
  readonly windows = new Map<string, Window>();
  readonly acs = new Map<string, AcsPlan>();
  readonly #requesters: FabricPlan['requesters'];
  #slots = 0;
  #switches = 0;

  constructor({ seed, payload, link, rootPorts, integrated, requesters }: FabricPlan) {
    this.#requesters = requesters;
    this.payload = 128 << Math.min(payload, SizeCode.B512);
    const spec = linkSpec(link, this.payload);
    this.spec = { seed, link: spec, rootPorts: [], switches: [], bridges: [], devices: [] };
    integrated.forEach((functions, i) => {
      const name = `private${i}`;
      this.#place(functions, (fn) => `00:${hex(i + 1)}.${fn}`, [{ ...PLAIN, kind: 'private', name }]);
    });
    rootPorts.forEach(({ acs, node, link, ordersById }, i) => {
      const name = `root${i}`;
      const hop: Hop = { kind: 'root', name, acs, ordersById, siblings: [] };
      const at = `00:${hex(FIRST_PORT + i)}.0`;
      this.spec.rootPorts.push({ name, at, acs: EVERY_SERVICE, slot: false, link: linkSpec(link, this.payload) });
      this.#window(name, () => this.#below(name, { acs, node }, [hop]));
    });
  }

  #below(port: string, { acs, node }: PortPlan, hops: readonly Hop[]): void {
    this.acs.set(port, acs);
    if (node.kind === 'device') this.#place(node.functions, (fn) => `${port}:00.${fn}`, hops);
    else if (node.kind === 'bridge') {
      const name = `bridge-${port}`;
      this.spec.bridges.push({ name, at: `${port}:00.0` });
      const hop: Hop = { ...PLAIN, kind: 'bridge', name };
      this.#window(name, () => this.#place(node.functions, (fn) => `${name}:${hex(fn)}.0`, [hop, ...hops]));
    } else this.#switch(port, node, hops);
  }

  #switch(port: string, { latency, link, ports }: Extract<NodePlan, { kind: 'switch' }>, hops: readonly Hop[]): void {
    const name = `switch${String.fromCharCode(97 + (this.#switches % 26))}${Math.floor(this.#switches / 26)}`;
    this.#switches++;
    this.spec.switches.push({
      name,
      at: `${port}:00.0`,
      ports: ports.length,
      acs: EVERY_SERVICE,
      slots: false,
      latency,
      link: linkSpec(link, this.payload),
    });
    const siblings: Hop[] = [];
    for (let i = 0; i < ports.length; i++) {
      siblings.push({ ...PLAIN, kind: 'downstream', name: downstreamName(name, i), acs: ports[i]!.acs, siblings });
    }
    this.#window(name, () => {
      siblings.forEach((hop, i) => {
        this.#window(hop.name, () => this.#below(hop.name, ports[i]!, [hop, ...hops]));
      });
    });
  }

  /** The functions of one device. */
  #place(functions: number, at: (fn: number) => string, hops: readonly Hop[]): void {
    const slot = this.#slots++;
    for (let fn = 0; fn < functions; fn++) {
      const name = `device${slot}x${fn}`;
      const { ordersById } = inTurn(this.#requesters, this.sites.length);
      this.sites.push({ name, at: at(fn), base: MMIO + slot * MIB + fn * FUNCTION_BYTES, ordersById, hops });
      this.spec.devices.push({ name, at: at(fn) });
    }
  }

  /** Sets the window of a bridge to what `inside` places. */
  #window(name: string, inside: () => void): void {
    const first = MMIO / MIB + this.#slots;
    this.windows.set(name, { first, last: first });
    inside();
    this.windows.set(name, { first, last: MMIO / MIB + this.#slots - 1 });
  }
}

/** What a plan has of something, dealt out in turn. */
export function inTurn<T>(all: readonly T[], i: number): T {
  return all[i % all.length]!;
}

function hex(n: number): string {
  return n.toString(16).padStart(2, '0');
}
