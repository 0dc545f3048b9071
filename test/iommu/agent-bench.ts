/**
 * A timed IOMMU between its vendor's driver and a scripted root complex: the test sends requests and messages as devices
 * would, and sees the answers and every message that goes to a device. Commands of software are literal bits.
 */
import { expect } from 'vitest';
import { type IommuUnit, TIMED_IOMMU, TimedIommu, type TimedIommuSpec } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { AddressType, Tlp, TranslationRequest } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { type IommuDriver, type IommuSubject, type Page, REQUESTER } from '../contracts/iommu-bench.ts';
import { put } from './contract/radix.ts';

/** The IOMMU in messages. */
export const AGENT = 0x0002;
/** Where a command says that those before it are done. */
const STATUS = 0x3_0000;
const QUEUE = 0x5000;
const QUEUE_BYTES = 4096;

/** Commands of a vendor's software, and what its unit says of page requests and of devices. */
export interface Software {
  /** Invalidates page 7000h of PASID 12345h in the device-TLB of REQUESTER. */
  readonly invalidatePage: readonly bigint[];
  /** The same of every page, without PASID. */
  readonly invalidateAll: readonly bigint[];
  /** Writes 7 to STATUS. */
  readonly wait: readonly bigint[];
  /** Answers group 155h of REQUESTER and PASID 12345h with 1, and without PASID with 15. */
  readonly respond: readonly bigint[];
  readonly fail: readonly bigint[];
  readonly tail: number;
  /** Base of the ring of page requests, its tail, and how many entries it takes. */
  readonly requests: number;
  readonly requestTail: number;
  readonly requestBytes: number;
  readonly room: number;
}

export const SOFTWARE: Readonly<Record<'VT-d' | 'AMD-Vi', Software>> = {
  'VT-d': {
    // p_dev_tlb_inv_dsc, dev_tlb_inv_dsc, inv_wait_dsc with SW, page_grp_resp_dsc (vtd.md 5.2); all have 256 bits.
    invalidatePage: [0x0001_2345_0018_0008n, 0x7000n, 0n, 0n],
    invalidateAll: [0x0000_0018_0000_0003n, 0x7fff_ffff_ffff_f001n, 0n, 0n],
    wait: [0x0000_0007_0000_0025n, BigInt(STATUS), 0n, 0n],
    respond: [0x0001_2345_0018_1019n, 0xaa8n, 0n, 0n],
    fail: [0x0000_0000_0018_f009n, 0xaa8n, 0n, 0n],
    tail: 0x88,
    requests: 0x7000,
    requestTail: 0xc8,
    requestBytes: 32,
    room: 127,
  },
  'AMD-Vi': {
    // INVALIDATE_IOTLB_PAGES, COMPLETION_WAIT with s, COMPLETE_PPR_REQUEST (amd-vi.md 4.1).
    invalidatePage: [0x4145_0018_2023_0018n, 0x7004n],
    invalidateAll: [0x4000_0018_2000_0018n, 0x7fff_ffff_ffff_f001n],
    wait: [0x1000_0000_0000_0001n | BigInt(STATUS), 7n],
    respond: [0x7001_2345_0000_0018n, 0x1155_0000_0004n],
    fail: [0x7000_0000_0000_0018n, 0xf155_0000_0000n],
    tail: 0x2008,
    requests: 0x7000,
    requestTail: 0x2038,
    requestBytes: 16,
    room: 255,
  },
};

export interface AgentOptions {
  /** Nanoseconds. */
  readonly invalidationTimeout?: number;
  /** Of the agent, beside `TIMED_IOMMU`. */
  readonly timing?: Partial<TimedIommuSpec>;
}

export class AgentBench {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory();
  readonly software: Software;
  readonly driver: IommuDriver;
  readonly unit: IommuUnit;
  readonly agent: TimedIommu;
  /** What was transmitted; nobody reuses these. */
  readonly sent: Tlp[] = [];
  readonly #subject: IommuSubject;

  constructor(subject: IommuSubject, { invalidationTimeout = 1e6, timing = {} }: AgentOptions = {}) {
    this.#subject = subject;
    this.software = SOFTWARE[subject.name.startsWith('VT-d') ? 'VT-d' : 'AMD-Vi'];
    this.driver = subject.drive(this.memory);
    this.unit = this.driver.unit;
    const controller = new MemoryController(this.engine, this.memory, MEMORY_CONTROLLER);
    const spec = { ...TIMED_IOMMU, ...timing, requester: AGENT, invalidationTimeout };
    this.agent = new TimedIommu(this.engine, this.unit, controller, spec);
    this.agent.answers = () => {};
    this.agent.transmit = (fill) => void this.sent.push(fill(new Tlp()));
    this.driver.enable();
    this.engine.run();
  }

  map(...pages: readonly Page[]): this {
    for (const page of pages) this.driver.map(page);
    return this;
  }

  /** A translation request of REQUESTER as it arrives, and its answer. */
  ask(address: number, wanted = 1, more: Partial<TranslationRequest> = {}): TranslationRequest {
    const request = new TranslationRequest();
    Object.assign(request, {
      requester: REQUESTER,
      pasid: this.#subject.pasid,
      access: 1,
      addressType: AddressType.TRANSLATION,
      addressHi: Math.floor(address / 2 ** 32),
      addressLo: address | 0,
      length: wanted * 8,
      wanted,
      ...more,
    });
    let answered = 0;
    this.agent.answers = (answer) => {
      expect(answer).toBe(request);
      answered++;
    };
    this.agent.requests.send(request);
    this.engine.run();
    expect(answered).toBe(1);
    return request;
  }

  /** The entries of a completion as 64-bit values. */
  entries(address: number, wanted = 1, more: Partial<TranslationRequest> = {}): bigint[] {
    const { status, translated, translations } = this.ask(address, wanted, more);
    expect(status).toBe(0);
    return Array.from(
      { length: translated },
      (_, i) => (BigInt(translations[i * 2]!) << 32n) | BigInt(translations[i * 2 + 1]!),
    );
  }

  /** Software puts commands behind those that are there. Time passes when the test lets it. */
  submit(...commands: readonly (readonly bigint[])[]): this {
    const { tail } = this.software;
    let at = Number(this.unit.read(tail, 8));
    for (const command of commands) {
      put(this.memory, QUEUE + at, ...command);
      at = (at + command.length * 8) % QUEUE_BYTES;
    }
    this.unit.write(tail, 8, BigInt(at));
    return this;
  }

  /** Lets `nanoseconds` pass. */
  pass(nanoseconds: number): this {
    const end = this.engine.now + nanoseconds * 1000;
    this.engine.runUntil(end as typeof this.engine.now);
    return this;
  }

  get isDone(): boolean {
    return this.memory.read64(STATUS) === 7n;
  }

  /** A device completes invalidations: a vector of ITags, and how many such messages there are for each. */
  complete(tags: number, { device = REQUESTER, agent = AGENT, count = 1 } = {}): boolean {
    const taken = this.agent.message(new Tlp().messageTo(agent, device, 0x02, count, tags));
    this.pass(2000);
    return taken;
  }

  /** Entries of the ring of page requests. */
  get requests(): bigint[][] {
    const { requests, requestTail, requestBytes } = this.software;
    const count = Number(this.unit.read(requestTail, 8)) / requestBytes;
    return Array.from({ length: count }, (_, i) =>
      [0, 8].map((half) => this.memory.read64(requests + i * requestBytes + half)!),
    );
  }
}
