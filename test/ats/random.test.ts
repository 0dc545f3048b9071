/**
 * A device with ATS against an agent that answers, delays and invalidates in any order. Each translation that the agent
 * gives lies somewhere else, so a translated access tells which one it used.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_ACCESS, type OnFault } from '../../hardware/ats/index.ts';
import { highHalf, lowHalf } from '../../hardware/bits/index.ts';
import { AddressType, beyond, CompletionStatus, DmaStatus, dmaTarget, NO_PASID } from '../../hardware/pcie/index.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { AtsBench, type Seen } from './bench.ts';

const PAGES = 16;
const ALLOCATION = 3;
/** Pages from one translation to the next. */
const APART = 256;
const PASIDS = [undefined, 1, 2];

interface Grant {
  readonly pasid: number;
  /** Pages that it translates: [first, first + count), from `frame` on. */
  readonly first: number;
  readonly count: number;
  readonly frame: number;
  isDead: boolean;
}

/** What an Invalidate Request is about, and the grants that are older. */
interface Sent {
  readonly pasid: number;
  readonly global: boolean;
  readonly first: number;
  readonly count: number;
  readonly older: readonly Grant[];
}

const access = fc.record({
  after: fc.nat(3000),
  write: fc.boolean(),
  page: fc.nat(PAGES - 1),
  offset: fc.nat(4095),
  length: fc.constantFrom(0, 1, 64, 600, 4096, 9000),
  pasid: fc.constantFrom(...PASIDS),
  onFault: fc.constantFrom<OnFault>('fail', 'request page'),
});
const invalidation = fc.record({
  after: fc.nat(4000),
  page: fc.nat(PAGES - 1),
  shift: fc.constantFrom(12, 12, 13, 16, 64),
  pasid: fc.constantFrom(...PASIDS),
  global: fc.boolean(),
});
const answer = fc.record({
  delay: fc.nat(3000),
  late: fc.nat(2000),
  shift: fc.constantFrom(12, 12, 13, 14),
  allowed: fc.constantFrom(0, 1, 2, 3, 3, 3),
  untranslatedOnly: fc.nat(9).map((n) => n === 0),
  status: fc.nat(30).map((n) => (n === 0 ? CompletionStatus.COMPLETER_ABORT : CompletionStatus.SUCCESSFUL)),
  fewer: fc.boolean(),
  code: fc.constantFrom(0, 0, 0, 1),
});

type Drawn<T> = T extends fc.Arbitrary<infer V> ? V : never;
type Access = Drawn<typeof access>;
type Invalidation = Drawn<typeof invalidation>;
type Answer = Drawn<typeof answer>;

function contentOf(address: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    const at = address + BigInt(i);
    return (Math.imul(Number(at >> 12n), 0x9e37_79b1) >>> 24) ^ Number(at & 0xffn);
  });
}

class Agent {
  readonly bench: AtsBench;
  readonly grants: Grant[] = [];
  readonly problems: string[] = [];
  readonly #answers: readonly Answer[];
  #next = 0;
  readonly #sent = new Map<number, Sent>();
  readonly #groups = new Map<number, { pages: number; isWhole: boolean }>();
  /** Translations by which reads go that have no answer yet. */
  readonly #reading: Grant[] = [];
  #pagesOutstanding = 0;
  completed = 0;

  constructor(bench: AtsBench, answers: readonly Answer[]) {
    this.bench = bench;
    this.#answers = answers;
    bench.onTranslation = (asked) => this.#spawn(this.#translate(asked));
    bench.onRead = (asked) => this.#spawn(this.#read(asked));
    bench.onMessage = (message) => this.#message(message);
  }

  /** Sends an Invalidate Request under an ITag that is free, if one is. */
  invalidate({ page, shift, pasid, global }: Invalidation): void {
    const tag = Array.from({ length: 32 }, (_, i) => i).find((one) => !this.#sent.has(one));
    if (tag === undefined) return;
    const count = 2 ** (shift - 12);
    const first = Math.floor(page / count) * count;
    const isGlobal = global && pasid !== undefined;
    this.#sent.set(tag, { pasid: pasid ?? NO_PASID, global: isGlobal, first, count, older: [...this.grants] });
    this.bench.invalidate(tag, BigInt(first) << 12n, {
      shift,
      global: isGlobal,
      ...(pasid === undefined ? {} : { pasid }),
    });
  }

  get unanswered(): number {
    return this.#sent.size;
  }

  /** Each access must be one that a translation allows which is not known to be gone. */
  look(seen: Seen): void {
    if (seen.addressType !== AddressType.TRANSLATED) return;
    const grant = this.#grantOf(seen);
    if (grant === undefined) this.problems.push(`an access to ${seen.address}, which nobody gave`);
    else if (grant.isDead) this.problems.push(`an access to ${seen.address} after its invalidation was completed`);
    if (seen.pasid !== NO_PASID) this.problems.push('a translated access under a PASID');
  }

  #grantOf({ address }: Seen): Grant | undefined {
    const page = Number(address >> 12n);
    return this.grants.find(({ frame, count }) => page >= frame && page < frame + count);
  }

  #spawn(script: Script): void {
    this.bench.engine.spawn(script);
  }

  #choice(): Answer {
    return this.#answers[this.#next++ % this.#answers.length]!;
  }

  /** Looks up at one time, and answers at another: in between, tables may change and invalidations be sent. */
  *#translate(asked: Seen): Script {
    const { delay, late, shift, allowed, untranslatedOnly, status, fewer } = this.#choice();
    yield ns(delay);
    if (status !== CompletionStatus.SUCCESSFUL) {
      this.bench.refuse(asked, status);
      return;
    }
    const count = 2 ** (shift - 12);
    const page = Number(asked.address >> 12n);
    const wanted = fewer ? 1 : asked.length / 8;
    const entries = Array.from({ length: wanted }, (_, i) => {
      const first = (Math.floor(page / count) + i) * count;
      const frame = (this.grants.length + 1) * APART;
      this.grants.push({ pasid: asked.pasid, first, count, frame, isDead: false });
      const mode = { read: (allowed & 1) !== 0, write: (allowed & 2) !== 0 && (asked.lo & 1) === 0, untranslatedOnly };
      return { ...NO_ACCESS, ...mode, hi: highHalf(frame * 4096), lo: lowHalf(frame * 4096), shift };
    });
    yield ns(late);
    this.bench.translate(asked, entries);
  }

  *#read(asked: Seen): Script {
    const grant = asked.addressType === AddressType.TRANSLATED ? this.#grantOf(asked) : undefined;
    if (grant !== undefined) this.#reading.push(grant);
    yield ns(this.#choice().delay);
    if (grant !== undefined) this.#reading.splice(this.#reading.indexOf(grant), 1);
    // A read of nothing is answered with a byte of no meaning.
    if (asked.length === 0) this.bench.complete(asked, [0]);
    else this.bench.complete(asked, contentOf(asked.address, asked.length));
  }

  #message(message: Seen): void {
    if (message.messageCode === 0x02) this.#invalidated(message);
    else this.#pageRequest(message);
  }

  #invalidated({ lo, hi }: Seen): void {
    if ((hi & 7) !== 1) this.problems.push(`a completion count of ${hi & 7}`);
    for (let tag = 0; tag < 32; tag++) {
      if (((lo >>> tag) & 1) === 0) continue;
      const sent = this.#sent.get(tag);
      this.#sent.delete(tag);
      if (sent === undefined) this.problems.push(`ITag ${tag} is completed and not outstanding`);
      for (const grant of sent?.older ?? []) {
        if (!isMeant(sent!, grant)) continue;
        grant.isDead = true;
        if (this.#reading.includes(grant)) this.problems.push(`ITag ${tag} is completed before a read`);
      }
      this.completed++;
    }
  }

  #pageRequest({ lo }: Seen): void {
    const index = (lo >>> 3) & 0x1ff;
    const group = this.#groups.get(index) ?? { pages: 0, isWhole: false };
    if (group.isWhole) this.problems.push(`group ${index} is used again before it is answered`);
    group.pages++;
    group.isWhole = (lo & 4) !== 0;
    this.#groups.set(index, group);
    if (++this.#pagesOutstanding > ALLOCATION) this.problems.push('more page requests than credits');
    if (group.isWhole) this.#spawn(this.#respond(index, group.pages));
  }

  *#respond(index: number, pages: number): Script {
    const { delay, code } = this.#choice();
    yield ns(delay);
    this.#groups.delete(index);
    this.#pagesOutstanding -= pages;
    this.bench.respond(index, code);
  }
}

function isMeant(sent: Sent, { pasid, first, count }: Grant): boolean {
  const meets = first < sent.first + sent.count && sent.first < first + count;
  if (sent.pasid === NO_PASID) return pasid !== NO_PASID || meets;
  return meets && pasid !== NO_PASID && (sent.global || sent.pasid === pasid);
}

describe('A device with ATS, whatever the agent does', () => {
  it('uses nothing that was invalidated, completes each invalidation once, and never has too many pages or a group twice', () => {
    const plan = fc.record({
      accesses: fc.array(access, { minLength: 1, maxLength: 12 }),
      invalidations: fc.array(invalidation, { maxLength: 12 }),
      answers: fc.array(answer, { minLength: 1, maxLength: 20 }),
      translations: fc.integer({ min: 1, max: 3 }),
      ways: fc.constantFrom({ sets: 1, ways: 1 }, { sets: 4, ways: 2 }),
      pagesPerGroup: fc.integer({ min: 1, max: 4 }),
      PH: fc.constantFrom(1, 32),
    });
    fc.assert(
      fc.property(plan, ({ accesses, invalidations, answers, translations, ways, pagesPerGroup, PH }) => {
        const link = { credits: { PH, NPH: 8 } };
        const b = new AtsBench({ ats: { tlb: ways, translations, pagesPerGroup }, link });
        b.enable({ allocation: ALLOCATION });
        const agent = new Agent(b, answers);
        b.onArrival = (seen) => {
          agent.look(seen);
          if (b.dma.state.pageRequestsOutstanding > ALLOCATION) agent.problems.push('more page requests than credits');
        };
        let time = 0;
        const tasks = accesses.map((one) => {
          time += one.after;
          return b.spawn(perform(b, agent, one, time));
        });
        let sentAt = 0;
        for (const one of invalidations) {
          sentAt += one.after;
          b.engine.schedule(ns(sentAt), { handle: () => agent.invalidate(one) }, 0);
        }
        b.engine.run();
        expect(agent.problems).toEqual([]);
        expect(tasks.map(({ plight }) => plight).filter((plight) => !plight.endsWith('has ended'))).toEqual([]);
        expect(agent.unanswered).toBe(0);
        expect(agent.completed).toBe(b.dma.state.invalidations);
        expect(b.dma.state.pageRequestsOutstanding).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

/** One access; what is read must be what stands in its pages where some translation of them leads. */
function* perform(b: AtsBench, agent: Agent, one: Access, time: number): Script {
  yield ns(time);
  const at = { ...dmaTarget(one.page * 4096 + one.offset, { pasid: one.pasid }), onFault: one.onFault };
  if (one.write) {
    yield* b.dma.write(at, new Uint8Array(one.length));
    return;
  }
  const { status, data } = yield* b.dma.read(at, one.length);
  if (status === DmaStatus.SUCCESS && data.length !== one.length) agent.problems.push('a read that is too short');
  for (let from = 0; from < data.length; ) {
    const { lo } = beyond(at, from);
    const page = lo >>> 12;
    const length = Math.min(4096 - (lo & 4095), data.length - from);
    const part = data.subarray(from, from + length);
    const isOf = ({ pasid, first, count }: Grant) =>
      pasid === (one.pasid ?? NO_PASID) && page >= first && page < first + count;
    const frames = agent.grants.filter(isOf).map(({ first, frame }) => frame + page - first);
    const found = [page, ...frames].some((frame) => {
      const right = contentOf(BigInt(frame * 4096 + (lo & 4095)), length);
      return right.every((byte, i) => byte === part[i]);
    });
    if (!found) agent.problems.push(`page ${page} was read where none of its translations leads`);
    from += length;
  }
}
