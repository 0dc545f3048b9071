/**
 * A device's own translations (PCIe ATS): its TLB, and the translation requests that are under way to the IOMMU. Several functions
 * share them.
 *
 * Surface: `lookUp` an access; `ready` tells when one that had to wait has its address, `room` that something may be asked again.
 *
 * Inaccuracies: translation requests and their completions take a fixed time and no bandwidth; nobody invalidates; a look-up in the
 * TLB takes no time.
 */
import { DeviceTlb, type DeviceTlbSpec, decodeTranslation, Permission } from '../ats/index.ts';
import type { TimedIommu } from '../iommu/index.ts';
import { Access, AddressType, NO_PASID, TranslationRequest, TranslationStatus } from '../pcie/index.ts';
import type { Duration, Engine, Handler } from '../sim/index.ts';
import type { Command } from './transaction.ts';

export interface DeviceTranslations {
  readonly tlb: DeviceTlbSpec;
  /** Translation requests under way. */
  readonly pending: number;
}

/** What became of a look-up: the address is there, will be there, or there is no room to ask for it. */
export const LookUp = { FOUND: 0, ASKED: 1, NO_ROOM: 2 } as const;

/** A translation request, and the accesses that wait for it. */
class Ask {
  readonly index: number;
  readonly request = new TranslationRequest(this);
  readonly accesses: Command[] = [];
  isActive = false;

  constructor(index: number) {
    this.index = index;
  }
}

const PAGE_MASK = -4096;

export class DeviceTranslator implements Handler {
  readonly name = 'a device that translates';
  /** Accesses that found their translation in the device. */
  hits = 0;
  /** Translation requests, and accesses that waited for one that was under way. */
  asks = 0;
  joined = 0;
  /** An access that was asked for has its translated address. */
  ready: (access: Command) => void = () => {};
  /** A translation request has ended. */
  room: () => void = () => {};
  readonly #agent: TimedIommu;
  readonly #latency: Duration;
  readonly #tlb: DeviceTlb;
  readonly #asks: readonly Ask[];
  readonly #place = { pasid: NO_PASID, privileged: false, hi: 0, lo: 0 };
  #active = 0;

  /** It takes `latency` to the IOMMU, and from there. */
  constructor(engine: Engine, agent: TimedIommu, latency: Duration, { tlb, pending }: DeviceTranslations) {
    this.#agent = agent;
    this.#latency = latency;
    this.#tlb = new DeviceTlb(tlb);
    this.#asks = Array.from({ length: pending }, (_, index) => new Ask(index));
    const { answers } = agent;
    agent.answers = (request) => {
      if (request.owner instanceof Ask) engine.schedule(latency, this, request.owner.index);
      else answers(request);
    };
  }

  get lookups(): number {
    return this.hits + this.asks + this.joined;
  }

  /** Gives the access its translated address, now or later; a value of `LookUp`. */
  lookUp(access: Command): number {
    if (this.#find(access)) {
      this.hits++;
      return LookUp.FOUND;
    }
    const underWay = this.#active === 0 ? undefined : this.#asks.find((ask) => ask.isActive && isSame(ask, access));
    if (underWay !== undefined) {
      this.joined++;
      underWay.accesses.push(access);
      return LookUp.ASKED;
    }
    if (this.#active === this.#asks.length) return LookUp.NO_ROOM;
    this.#ask(access);
    return LookUp.ASKED;
  }

  /** A translation completion has come. Called by the engine. */
  handle(index: number): void {
    const ask = this.#asks[index]!;
    const { request, accesses } = ask;
    if (request.status !== TranslationStatus.SUCCESS) throw new Error('the tables do not translate');
    const [hi = 0, lo = 0] = request.translations;
    this.#set(request.requester, request.addressHi, request.addressLo);
    this.#tlb.insert(this.#place, decodeTranslation(hi, lo));
    ask.isActive = false;
    this.#active--;
    for (const access of accesses) {
      this.#find(access);
      this.ready(access);
    }
    accesses.length = 0;
    this.room();
  }

  #find(access: Command): boolean {
    this.#set(access.requester, access.hi, access.lo);
    if (!this.#tlb.find(this.#place, Permission.READ)) return false;
    access.hi = this.#tlb.hi;
    access.lo = this.#tlb.lo;
    access.translated = true;
    return true;
  }

  #ask(access: Command): void {
    const ask = this.#asks.find(({ isActive }) => !isActive)!;
    const { request } = ask;
    request.requester = access.requester;
    request.access = Access.READ;
    request.addressType = AddressType.TRANSLATION;
    request.wanted = 1;
    request.addressHi = access.hi;
    request.addressLo = access.lo & PAGE_MASK;
    ask.isActive = true;
    ask.accesses.push(access);
    this.#active++;
    this.asks++;
    this.#agent.accept(request, this.#latency);
  }

  /** The TLB tells functions apart as it does address spaces. */
  #set(requester: number, hi: number, lo: number): void {
    const place = this.#place;
    place.pasid = requester;
    place.hi = hi;
    place.lo = lo;
  }
}

function isSame({ request }: Ask, { requester, hi, lo }: Command): boolean {
  return request.requester === requester && request.addressHi === hi && request.addressLo === (lo & PAGE_MASK);
}
