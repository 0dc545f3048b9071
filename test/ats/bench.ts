/** A device with a device-TLB at one end of a link, and a translation agent that does what a test says at the other. */
import {
  ATS,
  AtsRequester,
  type AtsSpec,
  encodeTranslation,
  invalidateRequest,
  NO_ACCESS,
  type PageGroupResponse,
  pageGroupResponse,
  putHalves,
  type TranslationEntry,
} from '../../hardware/ats/index.ts';
import { highOf, joinHalves, lowOf } from '../../hardware/bits/index.ts';
import {
  AddressType,
  type CapabilitySpecs,
  CompletionStatus,
  Endpoint,
  LINK,
  Link,
  type LinkSpec,
  PcieFunction,
  Requester,
  type Tlp,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { after, Engine, ns, type Script, type Task } from '../../hardware/sim/index.ts';

export const DEVICE = 0x0308;
export const AGENT = 0x00a5;
export const PASID_ENABLE = 0b111;

/** What arrived, kept beyond its TLP. */
export interface Seen {
  readonly kind: number;
  readonly tag: number;
  readonly address: bigint;
  readonly length: number;
  readonly data: readonly number[] | null;
  readonly pasid: number;
  readonly privileged: boolean;
  readonly execute: boolean;
  readonly addressType: number;
  readonly attributes: number;
  readonly messageCode: number;
  readonly hi: number;
  readonly lo: number;
}

export interface AtsBenchOptions {
  readonly ats?: Partial<AtsSpec>;
  readonly capabilities?: Partial<CapabilitySpecs>;
  readonly link?: Partial<LinkSpec>;
}

const CAPABILITIES: CapabilitySpecs = {
  ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true },
  pri: { capacity: 64 },
  pasid: { width: 20, execute: true, privileged: true },
};

/** A function with a device-TLB, and what it sends through. */
export class AtsDevice {
  readonly function: PcieFunction;
  readonly plain: Requester;
  readonly dma: AtsRequester;

  constructor(engine: Engine, requester: number, { ats, capabilities }: Omit<AtsBenchOptions, 'link'> = {}) {
    this.function = new PcieFunction(
      {
        name: 'device',
        requester,
        vendor: 0x1234,
        device: 1,
        revision: 0,
        classCode: 0,
        bars: [],
        msiVectors: 0,
        payloadSupported: 512,
        capabilities: { ...CAPABILITIES, ...capabilities },
      },
      {
        memoryRead: () => {},
        memoryWrite: () => {},
        completion: (tlp) => this.plain.completion(tlp),
        message: (tlp) => this.dma.message(tlp),
        functionLevelReset: () => {
          this.dma.reset();
          this.plain.reset();
        },
      },
    );
    this.plain = new Requester(engine, this.function, { tags: 32 });
    this.dma = new AtsRequester(engine, this.function, this.plain, { ...ATS, ...ats });
  }

  /** Bus mastering, PASIDs, page requests and ATS, in the order in which drivers enable them. */
  enable({ stu = 0, allocation = 32, busMaster = true, pasid = true, pri = true } = {}): this {
    const { config } = this.function;
    config.write(0x04, 2, busMaster ? 0b110 : 0b010);
    if (pasid && config.pasid !== null) config.write(config.pasid.offset + 6, 2, PASID_ENABLE);
    if (pri && config.pri !== null) this.enablePri(allocation);
    config.write(config.ats!.offset + 6, 2, 0x8000 | stu);
    return this;
  }

  /** With `null`, off. */
  enablePri(allocation: number | null): void {
    const { config } = this.function;
    if (allocation !== null) config.write(config.pri!.offset + 12, 4, allocation);
    config.write(config.pri!.offset + 4, 2, allocation === null ? 0 : 1);
  }
}

export class AtsBench {
  readonly engine = new Engine();
  readonly link: Link;
  readonly function: PcieFunction;
  readonly plain: Requester;
  readonly dma: AtsRequester;
  readonly #device: AtsDevice;
  readonly seen: Seen[] = [];
  /** What is said about a page, by its number; nothing about those that are not here. */
  readonly pages = new Map<number, Partial<TranslationEntry>>();
  /** Called with each translation request; answers by `pages` if a test does not say otherwise. */
  onTranslation: (asked: Seen) => void = (asked) => this.translate(asked, this.told(asked));
  onRead: (asked: Seen) => void = (asked) => this.complete(asked, memory(asked.address, asked.length));
  onMessage: (message: Seen) => void = () => {};
  /** Called first with everything that arrives. */
  onArrival: (seen: Seen) => void = () => {};

  constructor(options: AtsBenchOptions = {}) {
    const { engine } = this;
    this.link = new Link(engine, { ...LINK, ...options.link }, 'link');
    const device = new AtsDevice(engine, DEVICE, options);
    this.#device = device;
    this.function = device.function;
    this.plain = device.plain;
    this.dma = device.dma;
    new Endpoint(engine, this.link.bottom, [this.function]);
    this.link.top.receive = (tlp) => this.#arrive(tlp);
    this.link.top.onFree = () => this.#flush();
  }

  /** As of `AtsDevice`. */
  enable(how: Parameters<AtsDevice['enable']>[0] = {}): this {
    this.#device.enable(how);
    return this;
  }

  enableAts(enabled: boolean): void {
    const { config } = this.function;
    config.write(config.ats!.offset + 6, 2, enabled ? 0x8000 : 0);
  }

  enablePri(allocation: number | null): void {
    this.#device.enablePri(allocation);
  }

  /** The status register of the page request interface. */
  get priStatus(): number {
    const { config } = this.function;
    return config.read(config.pri!.offset + 6, 2);
  }

  /** Says where a page lies. */
  map(page: number, frame: number, said: Partial<TranslationEntry> = {}): this {
    const address = BigInt(frame) << 12n;
    this.pages.set(page, { read: true, write: true, hi: highOf(address), lo: lowOf(address), ...said });
    return this;
  }

  spawn<T>(script: Script<T>): Task<T> {
    return this.engine.spawn(script);
  }

  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.spawn(script));
  }

  /** Lets this much time pass. */
  pass(nanoseconds: number): void {
    this.engine.runUntil(after(this.engine.now, ns(nanoseconds)));
  }

  /** The entries for a translation request by `pages`: as many as are wanted, or one if there is nothing. */
  told(asked: Seen): TranslationEntry[] {
    const first = Number(asked.address >> 12n);
    const entries = Array.from({ length: asked.length / 8 }, (_, i) => this.pages.get(first + i) ?? {});
    const mode = { privileged: asked.privileged };
    const isWrite = (asked.lo & 1) === 0;
    return entries.map((said) => {
      const entry = { ...NO_ACCESS, ...mode, ...said };
      return { ...entry, write: entry.write && isWrite, execute: entry.execute && asked.execute };
    });
  }

  /** Completes a translation request, in one completion or, with `first`, in two. */
  translate(asked: Seen, entries: readonly Partial<TranslationEntry>[], first = entries.length): void {
    const bytes = entries.flatMap((said) => {
      const eight = new Uint8Array(8);
      putHalves(eight, 0, encodeTranslation({ ...NO_ACCESS, ...said }));
      return [...eight];
    });
    this.complete(asked, bytes.slice(0, first * 8), { byteCount: bytes.length });
    if (first < entries.length) this.complete(asked, bytes.slice(first * 8));
  }

  /** By as much as any Max_Payload_Size allows at a time. */
  complete(asked: Seen, data: ArrayLike<number>, { byteCount = data.length } = {}): void {
    const { top } = this.link;
    const { tag, address, length, attributes, addressType } = asked;
    const lower = addressType === AddressType.TRANSLATION ? 0 : Number(address & (length === 0 ? 0x7cn : 0x7fn));
    const bytes = Uint8Array.from(data);
    for (let came = 0; came < bytes.length; came += 128) {
      const piece = bytes.subarray(came, came + 128);
      const tlp = top.take().answer(DEVICE, tag, AGENT, CompletionStatus.SUCCESSFUL, byteCount - came);
      tlp.withData((lower + came) & 0x7f, piece.length).data!.set(piece);
      tlp.attributes = attributes;
      this.#send(tlp);
    }
  }

  refuse({ tag, attributes }: Seen, status: number): void {
    const tlp = this.link.top.take().answer(DEVICE, tag, AGENT, status, 8);
    tlp.attributes = attributes;
    this.#send(tlp);
  }

  /** Sends an Invalidate Request for 2^shift bytes. */
  invalidate(
    tag: number,
    address: bigint,
    { shift = 12, pasid, global = false, agent = AGENT }: Invalidate = {},
  ): void {
    const size = 1n << BigInt(shift);
    const named = shift === 12 ? address : (address & -size) | (size / 2n - 1n);
    const one = { requester: DEVICE, pasid, global, address: BigInt.asUintN(64, named), isRange: shift > 12, tag };
    this.#send(invalidateRequest(this.link.top.take(), agent, one));
  }

  /** Sends a page group response. */
  respond(group: number, code: number, said: Partial<PageGroupResponse> = {}): void {
    const response = { requester: DEVICE, pasid: undefined, group, code, ...said };
    this.#send(pageGroupResponse(this.link.top.take(), AGENT, response));
  }

  /** What arrived, by what it was. */
  get translationRequests(): Seen[] {
    return this.seen.filter(({ addressType }) => addressType === AddressType.TRANSLATION);
  }

  get accesses(): Seen[] {
    return this.seen.filter(
      ({ kind, addressType }) => kind < TlpKind.COMPLETION && addressType !== AddressType.TRANSLATION,
    );
  }

  messages(code: number): Seen[] {
    return this.seen.filter(({ kind, messageCode }) => kind === TlpKind.MESSAGE && messageCode === code);
  }

  readonly #unsent: Tlp[] = [];

  #send(tlp: Tlp): void {
    this.#unsent.push(tlp);
    this.#flush();
  }

  #flush(): void {
    const { top } = this.link;
    while (this.#unsent.length > 0 && top.canSend(this.#unsent[0]!)) top.send(this.#unsent.shift()!);
  }

  #arrive(tlp: Tlp): void {
    const { kind, tag, length, pasid, privileged, execute, addressType, attributes, messageCode } = tlp;
    const { addressHi: hi, addressLo: lo } = tlp;
    const data = tlp.data === null ? null : [...tlp.data.subarray(0, length)];
    const address = joinHalves(hi, lo);
    const what = { kind, tag, address, length, data, pasid, privileged, execute, addressType, attributes };
    const seen: Seen = { ...what, messageCode, hi, lo };
    this.link.top.release(tlp);
    this.seen.push(seen);
    this.onArrival(seen);
    if (addressType === AddressType.TRANSLATION) this.onTranslation(seen);
    else if (kind === TlpKind.MESSAGE) this.onMessage(seen);
    else if (kind !== TlpKind.MEMORY_WRITE) this.onRead(seen);
  }
}

/** A bench with ATS on, that knows two pages. */
export function bench(options?: AtsBenchOptions): AtsBench {
  return new AtsBench(options).enable().map(0x10, 0x500).map(0x11, 0x700);
}

/** Where the accesses of a device went: address type and address of each. */
export function where({ accesses }: AtsBench) {
  return accesses.map(({ addressType, address }) => [addressType, address]);
}

export interface Invalidate {
  readonly shift?: number;
  readonly pasid?: number;
  readonly global?: boolean;
  readonly agent?: number;
}

/** What a byte of memory holds: it tells its page and its place there. */
export function memory(address: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    const at = address + BigInt(i);
    return Number((at >> 12n) * 31n + (at & 0xfffn)) & 0xff;
  });
}
