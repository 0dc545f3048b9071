/**
 * A device that translates for itself: it looks each read up in its own TLB, asks the IOMMU for what is not there (PCIe ATS), and
 * sends reads of translated addresses. Reads whose translation has come pass those that wait.
 *
 * Surface: `start`, and `run` until a number of reads is done; `hits` and `asks` count.
 *
 * Inaccuracies: translation requests and their completions take the latency of the link and none of its bandwidth; nobody
 * invalidates; a look-up in the device's TLB takes no time.
 */
import { DeviceTlb, type DeviceTlbSpec, decodeTranslation, Permission } from '../ats/index.ts';
import type { TimedIommu } from '../iommu/index.ts';
import { Access, AddressType, NO_PASID, TranslationRequest, TranslationStatus } from '../pcie/index.ts';
import { type Duration, type Engine, type Handler, ns, Ring } from '../sim/index.ts';
import { type Commander, DmaPath, type PathParts } from './dma-path.ts';
import type { PathSpec } from './parameters.ts';
import type { Transfers } from './streams.ts';
import { Command } from './transaction.ts';

export interface DeviceTranslations {
  readonly tlb: DeviceTlbSpec;
  /** Translation requests under way. */
  readonly pending: number;
}

/** A translation request, and the reads that wait for it. */
class Ask {
  readonly index: number;
  readonly request = new TranslationRequest(this);
  readonly reads: Command[] = [];
  isActive = false;

  constructor(index: number) {
    this.index = index;
  }
}

const PAGE_MASK = -4096;

export class TranslatedReads implements Commander, Handler {
  readonly name = 'a device that translates';
  readonly path: DmaPath;
  /** Reads that found their translation in the device. */
  hits = 0;
  /** Translation requests, and reads that waited for one that was under way. */
  asks = 0;
  joined = 0;
  readonly #engine: Engine;
  readonly #agent: TimedIommu;
  readonly #transfers: Transfers;
  readonly #latency: Duration;
  readonly #tlb: DeviceTlb;
  readonly #asks: readonly Ask[];
  readonly #idle: Command[] = [];
  readonly #ready = new Ring<Command>();
  /** The next read, which found no room among those that ask. */
  #held: Command | null = null;
  #active = 0;
  readonly #requester: number;
  readonly #place = { pasid: NO_PASID, privileged: false, hi: 0, lo: 0 };
  readonly #doneOne = (delay: number): void => this.#done(delay);
  #left = 0;
  #reached = -1;

  constructor(
    engine: Engine,
    spec: PathSpec,
    parts: PathParts & { readonly agent: TimedIommu },
    transfers: Transfers,
    { tlb, pending }: DeviceTranslations,
  ) {
    this.#engine = engine;
    this.#agent = parts.agent;
    this.#transfers = transfers;
    this.#latency = ns(spec.link.latency);
    this.#tlb = new DeviceTlb(tlb);
    this.#asks = Array.from({ length: pending }, (_, index) => new Ask(index));
    this.#requester = parts.requester;
    this.path = new DmaPath(engine, spec, { ...parts, readsOnly: true }, this);
    const { answers } = parts.agent;
    parts.agent.answers = (request) => {
      if (request.owner instanceof Ask) engine.schedule(this.#latency, this, request.owner.index);
      else answers(request);
    };
  }

  start(): void {
    this.path.reads.pump();
  }

  /** Lets `count` more reads be done: the instant at which they are. */
  run(count: number): number {
    this.#left = count;
    this.#reached = -1;
    while (this.#reached < 0) {
      if (!this.#engine.step()) throw new Error('the path has come to a standstill');
    }
    return this.#reached;
  }

  idle(): void {}

  nextRead(command: Command): boolean {
    while (this.#ready.length === 0) if (!this.#lookUpNext()) return false;
    const read = this.#ready.shift();
    command.hi = read.hi;
    command.lo = read.lo;
    command.length = read.length;
    command.requester = read.requester;
    command.translated = true;
    command.done = this.#doneOne;
    this.#idle.push(read);
    return true;
  }

  /** A translation completion has come. Called by the engine. */
  handle(index: number): void {
    const ask = this.#asks[index]!;
    const { request, reads } = ask;
    if (request.status !== TranslationStatus.SUCCESS) throw new Error('the tables do not translate');
    const [hi = 0, lo = 0] = request.translations;
    this.#set(request.requester, request.addressHi, request.addressLo);
    this.#tlb.insert(this.#place, decodeTranslation(hi, lo));
    ask.isActive = false;
    this.#active--;
    for (const read of reads) this.#find(read);
    reads.length = 0;
    this.path.reads.pump();
  }

  /** Looks the next read up; false when it has to wait before even that. */
  #lookUpNext(): boolean {
    const read = this.#held ?? this.#fill();
    this.#held = null;
    if (this.#find(read)) {
      this.hits++;
      return true;
    }
    const underWay =
      this.#active === 0 ? undefined : this.#asks.find((ask) => ask.isActive && isSame(ask.request, read));
    if (underWay !== undefined) {
      this.joined++;
      underWay.reads.push(read);
      return true;
    }
    if (this.#active === this.#asks.length) {
      this.#held = read;
      return false;
    }
    this.#ask(read);
    return true;
  }

  #fill(): Command {
    const read = this.#idle.pop() ?? new Command();
    this.#transfers.fill(read);
    if (read.requester < 0) read.requester = this.#requester;
    return read;
  }

  /** Makes a read ready whose translation the device has. */
  #find(read: Command): boolean {
    this.#set(read.requester, read.hi, read.lo);
    if (!this.#tlb.find(this.#place, Permission.READ)) return false;
    read.hi = this.#tlb.hi;
    read.lo = this.#tlb.lo;
    this.#ready.push(read);
    return true;
  }

  #ask(read: Command): void {
    const ask = this.#asks.find(({ isActive }) => !isActive)!;
    const { request } = ask;
    request.requester = read.requester;
    request.access = Access.READ;
    request.addressType = AddressType.TRANSLATION;
    request.wanted = 1;
    request.addressHi = read.hi;
    request.addressLo = read.lo & PAGE_MASK;
    ask.isActive = true;
    ask.reads.push(read);
    this.#active++;
    this.asks++;
    this.#agent.accept(request, this.#latency);
  }

  /** Functions of one device share its TLB, which tells them apart as it does address spaces. */
  #set(requester: number, hi: number, lo: number): void {
    const place = this.#place;
    place.pasid = requester;
    place.hi = hi;
    place.lo = lo;
  }

  #done(delay: number): void {
    if (--this.#left === 0) this.#reached = this.#engine.now + delay;
    this.path.reads.pump(delay);
  }
}

function isSame(request: TranslationRequest, { requester, hi, lo }: Command): boolean {
  return request.requester === requester && request.addressHi === hi && request.addressLo === (lo & PAGE_MASK);
}
