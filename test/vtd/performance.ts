/** A unit with performance counters and a driver for them, from vtd.md section 1.17 and with literal register values. */
import { NO_PASID } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { type VtdSpec, VtdUnit } from '../../hardware/vtd/index.ts';
import { NO_DOMAIN } from '../../hardware/vtd/performance-events.ts';
import { type Capability, capabilities } from './capability.ts';

export const PERFCAP = 0x300;
export const PERFINTRSTS = 0x324;
export const PERFINTRCTL = 0x328;
export const PERFINTRDATA = 0x32c;
export const PERFINTRADDR = 0x330;
export const PERFINTRUADDR = 0x334;
export const PERFEVNTCAP = 0x380;

export const COMMAND = {
  ENABLE: 0xf0,
  DISABLE: 0xf1,
  RESET_CONFIG: 0xf2,
  RESET_VALUES: 0xf3,
  FREEZE: 0xf4,
  UNFREEZE: 0xf5,
};
export const FAILED = 16;

/** Bits 2:1 of a configuration. */
export const INTERRUPT = 2n;
export const FREEZE = 4n;
/** Bit 31 of a filter. */
export const ON = 0x8000_0000n;
export const FILTER = { RID: 0x08, DID: 0x0c, PASID: 0x10, AT: 0x14, PTL: 0x18 } as const;

/** Group and bits of the events that the tests count. */
export const LOOKUP = { group: 3, events: 1 } as const;
export const HIT = { group: 3, events: 2 } as const;
export const BOTH_IOTLB = { group: 3, events: 3 } as const;
export const REQUESTS = { group: 0, events: 2 } as const;
export const READS = { group: 1, events: 1 } as const;

export interface Counted {
  readonly group: number;
  readonly events: number;
}

/** Codes of events as the models call them: 32 times the group, and the bit. */
export const CODE = { requests: 1, lookup: 96, hit: 97 } as const;

export class CounterBench {
  readonly memory = new PhysicalMemory();
  readonly unit: VtdUnit;
  readonly messages: (readonly [hi: number, lo: number, data: number])[] = [];
  readonly #at: { configurations: number; freeze: number; overflow: number; counters: number; stride: number };

  constructor(capability: Capability = {}, more: Partial<VtdSpec> = {}) {
    this.unit = new VtdUnit(
      {
        capabilities: capabilities({ ecmds: true, pms: true, ...capability }),
        hostAddressWidth: 48,
        faultCompression: true,
        iotlb: { sets: 4, ways: 4 },
        contextCache: { sets: 4, ways: 4 },
        ...more,
      },
      { memory: this.memory, raiseMsi: (...message) => this.messages.push(message) },
    );
    const [configurations, freeze, overflow, counters] = [0x310, 0x314, 0x318, 0x31c].map((at) => Number(this.get(at)));
    const stride = 2 ** (10 + Number((this.get(PERFCAP, 8) >> 52n) & 7n));
    this.#at = {
      configurations: configurations!,
      freeze: freeze!,
      overflow: overflow!,
      counters: counters!,
      stride,
    };
  }

  get(offset: number, size = 4): bigint {
    return this.unit.read(offset, size);
  }

  set(offset: number, value: bigint, size = 4): this {
    this.unit.write(offset, size, value);
    return this;
  }

  /** Carries a command out; its status code. */
  command(number: number, counter = 0): number {
    this.set(0x400, (BigInt(counter) << 16n) | BigInt(number), 8);
    return Number((this.get(0x410, 8) >> 1n) & 0x7fn);
  }

  configuration(counter: number): number {
    return this.#at.configurations + counter * 0x100;
  }

  counter(counter: number): number {
    return this.#at.counters + counter * this.#at.stride;
  }

  configure(counter: number, { group, events }: Counted, bits = 0n): this {
    return this.set(this.configuration(counter), (BigInt(events) << 32n) | (BigInt(group) << 8n) | bits, 8);
  }

  filter(counter: number, name: keyof typeof FILTER, value: bigint): this {
    return this.set(this.configuration(counter) + FILTER[name], value);
  }

  enable(counter: number): number {
    return this.command(COMMAND.ENABLE, counter);
  }

  /** Configures and enables. */
  start(counter: number, counted: Counted, bits = 0n): this {
    this.configure(counter, counted, bits).enable(counter);
    return this;
  }

  value(counter: number): bigint {
    return this.get(this.counter(counter), 8);
  }

  get frozen(): bigint {
    return this.get(this.#at.freeze, 8);
  }

  get overflowed(): bigint {
    return this.get(this.#at.overflow, 8);
  }

  acknowledge(counters: bigint): this {
    return this.set(this.#at.overflow, counters, 8);
  }

  /** An event as a model tells of it: nothing is told while nothing counts. */
  happen(event: number, { requester = 0x18, domain = NO_DOMAIN, pasid = NO_PASID, detail = 0, times = 1 } = {}): this {
    for (let i = 0; i < times; i++) this.unit.counters?.count(event, requester, domain, pasid, detail);
    return this;
  }
}
