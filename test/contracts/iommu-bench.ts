/** An IOMMU as its contract sees it: `IommuUnit`, memory, and software of its vendor that writes the tables and the commands. */
import { expect } from 'vitest';
import {
  Access,
  type DeviceMessage,
  finish,
  InterruptMessage,
  type IommuUnit,
  Status,
  Translation,
} from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';

export interface Page {
  readonly iova: number;
  readonly to: number;
  /** log2 of its bytes. */
  readonly shift: number;
  /** Access.READ and Access.WRITE; 0 takes the page away. */
  readonly rights: number;
}

/** What a unit tells software about a request that it blocked. */
export interface Report {
  readonly kind: 'read' | 'write' | 'interrupt';
  readonly requester: number;
  readonly pasid: number;
  /** Page of a read or a write. */
  readonly page: number;
}

/** Where an interrupt goes. */
export interface Target {
  readonly vector: number;
  readonly destination: number;
}

/** Software of a vendor, with one device: REQUESTER. What it changes in memory counts once it has invalidated. */
export interface IommuDriver {
  readonly unit: IommuUnit;
  /** Tables without pages; then translation, interrupt remapping and page requests on. */
  enable(): void;
  map(page: Page): void;
  /** Sends interrupt message `index` to a target, or nowhere. */
  route(index: number, target: Target | null): void;
  /** Address and data of interrupt message `index`. */
  message(index: number): readonly [lo: number, data: number];
  /** Invalidates whatever may be cached. */
  invalidate(): void;
  /** What the unit has reported since the last time. */
  reports(): Report[];
  /** Answers every page request that the unit has passed on. */
  answerPageRequests(): void;
}

/** A unit in one of its modes. */
export interface IommuSubject {
  readonly name: string;
  /** Of all DMA; -1 for DMA without. */
  readonly pasid: number;
  /** Addresses pass as they are, mapped or not. */
  readonly passes: boolean;
  /** Of the register page. */
  readonly registerBytes: number;
  drive(memory: PhysicalMemory): IommuDriver;
}

export const REQUESTER = 0x0018;
/** A page that no test maps. */
export const UNMAPPED = 0x8123_4000;

/** A unit under its driver, and what devices see of it. */
export class Bench {
  readonly memory = new PhysicalMemory();
  readonly driver: IommuDriver;
  readonly unit: IommuUnit;
  readonly sent: DeviceMessage[] = [];
  readonly #subject: IommuSubject;

  constructor(subject: IommuSubject) {
    this.#subject = subject;
    this.driver = subject.drive(this.memory);
    this.unit = this.driver.unit;
    this.unit.devices.taker = (message) => this.sent.push(message);
  }

  on(...pages: readonly Page[]): this {
    this.driver.enable();
    for (const page of pages) this.driver.map(page);
    this.driver.invalidate();
    return this;
  }

  ask(iova: number, access: number, effects = true): Translation {
    const t = new Translation().ask(REQUESTER, this.#subject.pasid, access, Math.floor(iova / 2 ** 32), iova | 0);
    t.effects = effects;
    return t;
  }

  /** Where an address leads that is mapped to another. */
  mapped(iova: number, to: number): number {
    return this.#subject.passes ? iova : to;
  }

  /** Address that an access reaches, or null. */
  dma(iova: number, access: number = Access.READ, effects = true): number | null {
    const t = this.ask(iova, access, effects);
    this.unit.translate(t);
    return reached(t);
  }

  /** The whole procedure, without the short way for hits. */
  walk(iova: number, access: number): number | null {
    const t = this.ask(iova, access);
    finish(this.unit.walk(t), this.memory);
    return reached(t);
  }

  /** What is delivered of an interrupt message, or null. */
  interrupt([lo, data]: readonly [lo: number, data: number]): { lo: number; data: number } | null {
    const message = new InterruptMessage().ask(REQUESTER, 0, lo | 0, data);
    finish(this.unit.walkInterrupt(message), this.memory);
    this.unit.reportInterrupt(message);
    return message.status === Status.SUCCESS ? { lo: message.lo >>> 0, data: message.data } : null;
  }

  /** A device asks for a page; gives how many answers came. */
  requestPage(last: boolean): number {
    const { pasid } = this.#subject;
    this.sent.length = 0;
    const page = { hi: 0, lo: UNMAPPED | 0, read: true, write: false, execute: false, privileged: false };
    this.unit.requestPage({ requester: REQUESTER, pasid, ...page, last, group: 9 });
    this.driver.answerPageRequests();
    const answers = this.sent.filter(({ kind }) => kind === 'page group response');
    for (const answer of answers) expect(answer).toMatchObject({ requester: REQUESTER, group: 9 });
    return answers.length;
  }

  registers(): bigint[] {
    return Array.from({ length: this.#subject.registerBytes / 4 }, (_, i) => this.unit.read(i * 4, 4));
  }

  /** Accesses of these sizes, so far from the beginning of every register, read 0 and change nothing. */
  expectIgnored(registerBytes: number, accesses: readonly (readonly [distance: number, size: number])[]): void {
    const before = this.state();
    let seen = 0n;
    for (let offset = 0; offset < registerBytes; offset += 4) {
      for (const [distance, size] of accesses) {
        seen |= this.unit.read(offset + distance, size);
        this.unit.write(offset + distance, size, 2n ** 64n - 1n);
      }
    }
    expect(seen).toBe(0n);
    expect(this.state() === before, 'nothing has changed').toBe(true);
  }

  /** Registers, and everything in memory. */
  state(): string {
    return `${this.registers().join()} ${this.memory.pool.join()}`;
  }
}

export function reached(t: Translation): number | null {
  return t.status === Status.SUCCESS ? (t.hpaHi >>> 0) * 2 ** 32 + (t.hpaLo >>> 0) : null;
}
