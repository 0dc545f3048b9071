import { describe, expect, it } from 'vitest';
import { PageOutcome } from '../../hardware/ats/index.ts';
import { DmaStatus, dmaTarget, NO_PASID } from '../../hardware/pcie/index.ts';
import { ns } from '../../hardware/sim/index.ts';
import { AtsBench, type AtsBenchOptions, memory, type Seen } from './bench.ts';

const { SUCCESS, NO_TRANSLATION } = DmaStatus;
const PAGE_REQUEST = 0x04;
const OK = 0b0000;
const INVALID_REQUEST = 0b0001;
const RESPONSE_FAILURE = 0b1111;
const RF = 1 << 0;
const UPRGI = 1 << 1;
const STOPPED = 1 << 8;

const asking = { onFault: 'request page' } as const;
const groupOf = ({ lo }: Seen): number => (lo >>> 3) & 0x1ff;
const isLast = ({ lo }: Seen): boolean => (lo & 4) !== 0;

/** A device that asks for pages; whoever hears it maps them and answers with success. */
function bench(options: AtsBenchOptions = {}, allocation = 32): AtsBench {
  const b = new AtsBench({ ...options, ats: { ...asking, ...options.ats } }).enable({ allocation });
  b.onMessage = (message) => {
    if (message.messageCode !== PAGE_REQUEST) return;
    const page = Number(message.address >> 12n);
    b.map(page, page + 0x1000);
    if (isLast(message)) b.respond(groupOf(message), OK);
  };
  return b;
}

/** A device that asks for pages, and nobody answers. */
function unheard(options: AtsBenchOptions = {}, allocation = 32): AtsBench {
  const b = bench(options, allocation);
  b.onMessage = () => {};
  return b;
}

const requests = (b: AtsBench): Seen[] => b.messages(PAGE_REQUEST);

describe('A page that is not there', () => {
  it('is asked for, and after Success translated anew', () => {
    const b = bench();
    expect(b.run(b.dma.read(dmaTarget(0x99_010), 16))).toEqual({ status: SUCCESS, data: memory(0x109_9010n, 16) });
    expect(b.translationRequests).toHaveLength(2);
    expect(requests(b).map(({ address }) => address & ~0xff8n)).toEqual([0x99_005n]);
  });

  it('is not asked for by an access that rather fails, or by a device whose page requests are not enabled', () => {
    const b = bench();
    expect(b.run(b.dma.read(dmaTarget(0x99_010, { onFault: 'fail' } as object), 4)).status).toBe(NO_TRANSLATION);
    b.enablePri(null);
    expect(b.run(b.dma.read(dmaTarget(0x99_010), 4)).status).toBe(NO_TRANSLATION);
    const none = new AtsBench({ ats: asking }).enable({ pri: false });
    expect(none.run(none.dma.read(dmaTarget(0x99_010), 4)).status).toBe(NO_TRANSLATION);
    expect([...requests(b), ...requests(none)]).toEqual([]);
  });

  it('is asked for with the accesses that are wanted, under the PASID and in the mode of the access', () => {
    const b = bench();
    b.run(b.dma.write(dmaTarget(0x99_000, { pasid: 7, privileged: true }), Uint8Array.of(1)));
    b.pages.clear();
    const execute = b.spawn(b.dma.read(dmaTarget(0x98_000, { pasid: 7, execute: true }), 4));
    b.engine.run();
    expect(execute.result.status).toBe(NO_TRANSLATION);
    const said = requests(b).map(({ lo, pasid, privileged, execute: exe }) => [lo & 7, pasid, privileged, exe]);
    expect(said.slice(0, 2)).toEqual([
      [0b110, 7, true, false],
      [0b101, 7, false, true],
    ]);
  });

  it('fails the access when the response is Invalid Request, and is not asked for again', () => {
    const b = unheard();
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(1000);
    b.respond(groupOf(requests(b)[0]!), INVALID_REQUEST);
    b.engine.run();
    expect(read.result.status).toBe(NO_TRANSLATION);
    expect(requests(b)).toHaveLength(1);
    expect(b.priStatus & (RF | UPRGI)).toBe(0);
  });

  it('is asked for again when it is gone again, but not for ever', () => {
    const b = unheard({ ats: { pageAttempts: 3 } });
    b.onMessage = (message) => b.respond(groupOf(message), OK);
    expect(b.run(b.dma.read(dmaTarget(0x99_000), 4)).status).toBe(NO_TRANSLATION);
    expect(requests(b)).toHaveLength(3);
    expect(b.translationRequests).toHaveLength(4);
  });

  it('fails the access when no response comes in the time that the device gives it', () => {
    const b = unheard({ ats: { pagePatience: 5000 } });
    expect(b.run(b.dma.read(dmaTarget(0x99_000), 4)).status).toBe(DmaStatus.TIMED_OUT);
    expect(b.dma.state.pageRequestsOutstanding).toBe(1);
    b.respond(groupOf(requests(b)[0]!), OK);
    b.engine.run();
    expect(b.dma.state.pageRequestsOutstanding).toBe(0);
    expect(b.priStatus & UPRGI).toBe(0);
  });
});

describe('A page request group', () => {
  it('holds several pages of an access, the last of them with L, and has one response', () => {
    const b = bench({ ats: { pagesPerGroup: 3 } });
    expect(b.run(b.dma.write(dmaTarget(0x99_800, { pasid: 2 }), new Uint8Array(0x3000)))).toBe(SUCCESS);
    const said = requests(b).map((seen) => [seen.address >> 12n, isLast(seen), groupOf(seen), seen.pasid]);
    expect(said).toEqual([
      [0x99n, false, 0, 2],
      [0x9an, false, 0, 2],
      [0x9bn, true, 0, 2],
      [0x9cn, true, 1, 2],
    ]);
  });

  it('leaves out the pages behind one that is there', () => {
    const b = bench({ ats: { pagesPerGroup: 4 } }).map(0x9a, 0x500);
    b.run(b.dma.read(dmaTarget(0x9a_000), 4));
    b.run(b.dma.read(dmaTarget(0x99_000), 0x3000));
    expect(requests(b).map(({ address }) => address >> 12n)).toEqual([0x99n, 0x9bn]);
  });

  it('takes a credit for each of its pages, and is sent when there are credits for all', () => {
    const b = unheard({}, 3);
    const pages = b.dma.pages!;
    const asker = { fn: b.function, pasid: NO_PASID, privileged: false, execute: false };
    const page = (n: number) => ({ hi: 0, lo: n << 12, read: true, write: false });
    const first = b.spawn(pages.request([page(1), page(2)], asker));
    const second = b.spawn(pages.request([page(3), page(4)], asker));
    const third = b.spawn(pages.request([page(5)], asker));
    b.pass(10_000);
    expect(requests(b).map(({ address }) => address >> 12n)).toEqual([1n, 2n]);
    expect(pages.outstanding).toBe(2);
    b.respond(groupOf(requests(b)[0]!), OK);
    b.pass(10_000);
    expect(first.result).toBe(PageOutcome.SUCCESS);
    // In the order of asking, though the third had a credit before.
    expect(requests(b).map(({ address }) => address >> 12n)).toEqual([1n, 2n, 3n, 4n, 5n]);
    for (const group of new Set(requests(b).slice(2).map(groupOf))) b.respond(group, INVALID_REQUEST);
    b.engine.run();
    expect([second.result, third.result]).toEqual([PageOutcome.INVALID_REQUEST, PageOutcome.INVALID_REQUEST]);
    expect(b.run(pages.request([1, 2, 3, 4].map(page), asker))).toBe(PageOutcome.NOT_ENABLED);
  });

  it('has an index that no other has until it is answered', () => {
    const b = unheard({}, 32);
    const tasks = Array.from({ length: 10 }, (_, i) => b.spawn(b.dma.read(dmaTarget((0x99 + i) * 4096), 4)));
    b.pass(10_000);
    const indices = requests(b).map(groupOf);
    expect(new Set(indices).size).toBe(10);
    b.respond(indices[3]!, INVALID_REQUEST);
    b.pass(10_000);
    expect(tasks.map(({ ended }) => ended).indexOf(true)).toBe(3);
    b.spawn(b.dma.read(dmaTarget(0x200_000), 4));
    b.pass(10_000);
    expect(indices.filter((_, i) => i !== 3)).not.toContain(groupOf(requests(b).at(-1)!));
  });

  it('uses all 512 indices, and one again only after its response', () => {
    const b = unheard({ capabilities: { pri: { capacity: 1000 } } }, 1000);
    const pages = b.dma.pages!;
    const asker = { fn: b.function, pasid: NO_PASID, privileged: false, execute: false };
    for (let n = 0; n < 514; n++) b.spawn(pages.request([{ hi: 0, lo: n << 12, read: true, write: false }], asker));
    b.engine.run();
    expect(new Set(requests(b).map(groupOf)).size).toBe(512);
    expect(requests(b)).toHaveLength(512);
    b.respond(77, OK);
    b.engine.run();
    expect(groupOf(requests(b)[512]!)).toBe(77);
  });
});

describe('A response', () => {
  it('to an index that is not outstanding sets UPRGI, and nothing else happens', () => {
    const b = unheard();
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(1000);
    b.respond((groupOf(requests(b)[0]!) + 1) % 512, OK);
    b.pass(1000);
    expect(b.priStatus & (UPRGI | RF)).toBe(UPRGI);
    expect(read.ended).toBe(false);
  });

  it.each([RESPONSE_FAILURE, 0b0010, 0b1110])(
    'with code %i sets RF, ends all groups, and nothing is asked for or heard until page requests are enabled again',
    (code) => {
      const b = unheard();
      const reads = [0x99_000, 0xaa_000].map((address) => b.spawn(b.dma.read(dmaTarget(address), 4)));
      b.pass(10_000);
      // The index of a Response Failure need not be that of a group.
      b.respond(300, code);
      b.pass(10_000);
      expect(reads.map(({ result }) => result.status)).toEqual([NO_TRANSLATION, NO_TRANSLATION]);
      expect(b.priStatus & (UPRGI | RF)).toBe(RF);
      b.respond(groupOf(requests(b)[0]!), OK);
      b.pass(1000);
      expect(b.priStatus & UPRGI).toBe(0);
      expect(b.run(b.dma.read(dmaTarget(0xbb_000), 4)).status).toBe(NO_TRANSLATION);
      expect(requests(b)).toHaveLength(2);
      b.enablePri(null);
      expect(b.priStatus & STOPPED).toBe(STOPPED);
      b.enablePri(32);
      b.spawn(b.dma.read(dmaTarget(0xbb_000), 4));
      b.pass(10_000);
      expect(requests(b)).toHaveLength(3);
    },
  );

  it.each([
    [true, 7, true],
    [true, undefined, false],
    [true, 8, false],
    [false, undefined, true],
  ])('with PRG Response PASID Required %s and PASID %s is taken: %s', (responsePasidRequired, pasid, taken) => {
    const b = unheard({ capabilities: { pri: { capacity: 8, responsePasidRequired } } }, 8);
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000, { pasid: 7 }), 4));
    b.pass(1000);
    b.respond(groupOf(requests(b)[0]!), INVALID_REQUEST, { pasid });
    b.pass(1000);
    expect(read.ended).toBe(taken);
    expect((b.priStatus & UPRGI) !== 0).toBe(!taken);
  });

  it('to a request without PASID carries none, also where PASIDs are required', () => {
    const b = unheard({ capabilities: { pri: { capacity: 8, responsePasidRequired: true } } }, 8);
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(1000);
    b.respond(groupOf(requests(b)[0]!), INVALID_REQUEST);
    b.engine.run();
    expect(read.result.status).toBe(NO_TRANSLATION);
  });
});

describe('The page request interface', () => {
  it('is Stopped when it is off and all that it sent is answered', () => {
    const b = unheard({}, 1);
    const sent = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    const waiting = b.spawn(b.dma.read(dmaTarget(0xaa_000), 4));
    b.pass(10_000);
    b.enablePri(null);
    b.pass(10_000);
    expect(b.priStatus & STOPPED).toBe(0);
    expect([sent.ended, waiting.result.status]).toEqual([false, NO_TRANSLATION]);
    b.map(0x99, 0x500);
    b.respond(groupOf(requests(b)[0]!), OK);
    b.engine.run();
    expect(sent.result.status).toBe(SUCCESS);
    expect(b.priStatus & STOPPED).toBe(STOPPED);
    expect(requests(b)).toHaveLength(1);
  });

  it('is Stopped at once when a Response Failure comes while it stops', () => {
    const b = unheard();
    b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(10_000);
    b.enablePri(null);
    b.respond(0, RESPONSE_FAILURE);
    b.engine.run();
    expect(b.priStatus & (STOPPED | RF)).toBe(STOPPED | RF);
  });

  it('has neither failed nor heard anything unexpected when it is switched on', () => {
    const b = unheard();
    b.respond(7, OK);
    b.respond(7, RESPONSE_FAILURE);
    b.engine.run();
    b.enablePri(null);
    expect(b.priStatus & (RF | UPRGI)).toBe(RF | UPRGI);
    b.enablePri(32);
    expect(b.priStatus & (RF | UPRGI | STOPPED)).toBe(0);
  });

  it('forgets what is outstanding when it is reset, which it takes only while it is off', () => {
    const b = unheard();
    const { config } = b.function;
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(10_000);
    config.write(config.pri!.offset + 4, 2, 0b11);
    b.pass(10_000);
    expect([read.ended, b.dma.state.pageRequestsOutstanding]).toEqual([false, 1]);
    config.write(config.pri!.offset + 4, 2, 0b10);
    b.engine.run();
    expect(read.result.status).toBe(DmaStatus.RESET);
    expect(b.dma.state.pageRequestsOutstanding).toBe(0);
    expect(b.priStatus & STOPPED).toBe(STOPPED);
    b.respond(0, OK);
    b.engine.run();
    expect(b.priStatus & UPRGI).toBe(UPRGI);
  });

  it('starts over with a reset of the function', () => {
    const b = unheard();
    const read = b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(10_000);
    b.function.config.functionLevelReset();
    b.engine.run();
    expect(read.result.status).toBe(DmaStatus.RESET);
    expect(b.dma.state.pageRequestsOutstanding).toBe(0);
    b.enable();
    b.spawn(b.dma.read(dmaTarget(0x99_000), 4));
    b.pass(10_000);
    expect(requests(b)).toHaveLength(2);
  });
});

describe('The end of a PASID', () => {
  const both = (b: AtsBench) => [3, 4].map((pasid) => b.spawn(b.dma.read(dmaTarget(0x99_000, { pasid }), 4)));

  it('with a Stop Marker does not wait for responses, which still give credits and indices back', () => {
    const b = unheard();
    const [mine, other] = both(b);
    b.pass(10_000);
    b.run(b.dma.stopPasid(3, true));
    b.pass(10_000);
    expect([mine!.result.status, other!.ended]).toEqual([NO_TRANSLATION, false]);
    const marker = b.seen.at(-1)!;
    expect(marker).toMatchObject({ messageCode: PAGE_REQUEST, hi: 0, lo: 0b100, pasid: 3, execute: false });
    expect(b.dma.state.pageRequestsOutstanding).toBe(2);
    b.respond(groupOf(requests(b).find(({ pasid }) => pasid === 3)!), OK);
    b.pass(10_000);
    expect(b.dma.state.pageRequestsOutstanding).toBe(1);
    expect(b.priStatus & UPRGI).toBe(0);
  });

  it('without one waits for the responses', () => {
    const b = unheard();
    const [mine] = both(b);
    b.pass(10_000);
    const stop = b.spawn(b.dma.stopPasid(3, false));
    b.pass(10_000);
    expect(stop.ended).toBe(false);
    b.respond(groupOf(requests(b).find(({ pasid }) => pasid === 3)!), INVALID_REQUEST);
    b.pass(10_000);
    expect([stop.ended, mine!.result.status]).toEqual([true, NO_TRANSLATION]);
    expect(requests(b)).toHaveLength(2);
  });

  it('drops what was translated under it, and what is being asked', () => {
    const b = bench().map(0x10, 0x500);
    b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 3 }), 4));
    b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 4 }), 4));
    b.onTranslation = () => {};
    b.spawn(b.dma.read(dmaTarget(0x11_000, { pasid: 3 }), 4));
    b.pass(1000);
    b.run(b.dma.stopPasid(3, true));
    b.translate(b.translationRequests.at(-1)!, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.pass(1000);
    expect(b.dma.tlb.entries().map(({ pasid, page }) => [pasid, page])).toEqual([[4, 0x10]]);
  });

  it('comes behind all messages of its groups', () => {
    const b = unheard({ ats: { pagesPerGroup: 8 }, link: { credits: { PH: 1 } } });
    b.spawn(b.dma.read(dmaTarget(0x99_000, { pasid: 3 }), 0x8000));
    b.engine.runUntil(b.engine.now);
    while (requests(b).length === 0) b.engine.step();
    b.run(b.dma.stopPasid(3, true));
    b.engine.run();
    expect(requests(b).map(({ lo }) => lo & 7)).toEqual([1, 1, 1, 1, 1, 1, 1, 0b101, 0b100]);
  });
});

describe('Two functions that share a page request interface', () => {
  it('are told apart by whom a response is for', () => {
    const b = unheard();
    const pages = b.dma.pages!;
    const other = new AtsBench().enable();
    const page = [{ hi: 0, lo: 0x1000, read: true, write: false }];
    const who = { pasid: NO_PASID, privileged: false, execute: false };
    const mine = b.spawn(pages.request(page, { fn: b.function, ...who }, ns(50_000)));
    b.pass(1000);
    const response = other.link.top.take().messageTo(0x0308, 0, 0x05, 0);
    pages.response(other.function, response);
    expect(b.priStatus & UPRGI).toBe(UPRGI);
    pages.reset(other.function);
    b.pass(1000);
    expect(mine.ended).toBe(false);
    pages.response(b.function, response);
    b.engine.run();
    expect(mine.result).toBe(PageOutcome.SUCCESS);
  });
});
