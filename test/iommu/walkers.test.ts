/** When requests that miss are answered: walkers, misses that become one walk, regions with one walk at a time (timing.md 1.3). */
import { describe, expect, it } from 'vitest';
import type { TimedIommuSpec } from '../../hardware/iommu/index.ts';
import { AddressType, TranslationRequest } from '../../hardware/pcie/index.ts';
import type { Duration } from '../../hardware/sim/index.ts';
import { REQUESTER } from '../contracts/iommu-bench.ts';
import { AgentBench } from './agent-bench.ts';
import { VTD } from './contract/vtd.ts';

const LEGACY = VTD.find(({ name }) => name === 'VT-d, legacy')!;
const PAGES = [0x8000_0000, 0x8000_1000, 0x8000_2000, 0x8040_0000];
/** Memory takes 75 ns and 341 ps for the 8 bytes of an entry; a look-up 4 ns. */
const [READ, LOOKUP] = [75_341, 4000];
const READ_ACCESS = 1;
const WRITE_ACCESS = 2;

/** Sends requests for these pages at once, with the upper levels cached: when each is answered, from then on, in picoseconds. */
function answers(timing: Partial<TimedIommuSpec>, pages: readonly number[], access = READ_ACCESS): number[] {
  const bench = new AgentBench(LEGACY, { timing });
  const { agent, engine } = bench;
  bench.map(...[...PAGES, 0x8000_f000, 0x8040_f000].map((iova) => ({ iova, to: iova, shift: 12, rights: 3 })));
  const times: number[] = [];
  let from = 0;
  agent.answers = ({ status }) => {
    expect(status).toBe(0);
    times.push(engine.now - from);
  };
  const send = (page: number) => {
    const request = new TranslationRequest();
    request.requester = REQUESTER;
    request.access = access;
    request.addressLo = page | 0;
    agent.requests.send(request);
  };
  for (const page of [0x8000_f000, 0x8040_f000]) {
    send(page);
    engine.run();
  }
  times.length = 0;
  from = engine.now;
  for (const page of pages) send(page);
  engine.run();
  return times;
}

const inQueue = (n: number): number => n * 341;
const [first, second, third, other] = PAGES as [number, number, number, number];

describe('Misses of a timed IOMMU', () => {
  it("read the last entry each where what leads there is cached, one behind the other in memory's queue.", () => {
    expect(answers({}, [first, second])).toEqual([LOOKUP + READ, LOOKUP + READ + inQueue(1)]);
  });

  it('wait for a walker in the order in which they came.', () => {
    const times = answers({ walkers: 1 }, [first, second, third]);
    expect(times).toEqual([1, 2, 3].map((n) => LOOKUP + n * READ));
  });

  it('of one page are one walk where that is so, and two where it is not.', () => {
    const one = LOOKUP + READ;
    expect(answers({ mergeMisses: true, walkers: 1 }, [first, first, second])).toEqual([one, one, one + READ]);
    // Without, the second is answered by the page that the first has brought, when its turn comes.
    expect(answers({ walkers: 2 }, [first, first])).toEqual([one, one + inQueue(1)]);
  });

  it('wait for a walk in the same region with their walkers, and hits and other regions pass them.', () => {
    const times = answers({ walkRegion: 15, walkers: 2 }, [first, second, other]);
    // The second holds the other walker while it waits, so that the third begins when the first has ended.
    expect(times).toEqual([LOOKUP + READ, LOOKUP + 2 * READ, LOOKUP + 2 * READ + inQueue(1)]);
    expect(answers({ walkRegion: 15, walkers: 3 }, [first, second, other])).toEqual([
      LOOKUP + READ,
      LOOKUP + READ + inQueue(1),
      LOOKUP + 2 * READ,
    ]);
  });

  it('for reads keep their walkers for a while, those for writes do not.', () => {
    const timing = { walkers: 1, readHold: 24 };
    expect(answers(timing, [first, second])).toEqual([LOOKUP + READ, LOOKUP + 2 * READ + 24_000]);
    expect(answers(timing, [first, second], WRITE_ACCESS)).toEqual([LOOKUP + READ, LOOKUP + 2 * READ]);
  });

  it('take longer by the way to memory and back.', () => {
    expect(answers({ fetch: 160 }, [first])).toEqual([LOOKUP + READ + 160_000]);
  });

  it('and hits wait for the port of the look-up.', () => {
    const times = answers({ lookupInterval: 10 }, [0x8000_f000, 0x8000_f000, 0x8000_f000]);
    expect(times).toEqual([LOOKUP, LOOKUP + 10_000, LOOKUP + 20_000]);
  });

  it('and hits have the port of the look-up in the order of their coming, also before one that comes as it becomes free.', () => {
    const bench = new AgentBench(LEGACY, { timing: { lookupInterval: 10 } });
    const { agent, engine } = bench;
    bench.map({ iova: first, to: first, shift: 12, rights: 3 });
    const ended: number[] = [];
    agent.answers = ({ length }) => void ended.push(length);
    const send = (length: number, delay: number): void => {
      const request = new TranslationRequest();
      Object.assign(request, { requester: REQUESTER, access: READ_ACCESS, addressLo: first | 0, length });
      agent.accept(request, delay as Duration);
    };
    send(0, 0);
    engine.run();
    // The fifth is announced first, and comes when the third has its turn.
    send(5, 20_000);
    for (const length of [1, 2, 3, 4]) send(length, 0);
    let events = 0;
    while (engine.step()) events++;
    expect(ended).toEqual([0, 1, 2, 3, 4, 5]);
    // One for each look-up, and one for each that has to wait for its turn.
    expect(events).toBe(5 + 4);
  });

  it('are judged as what they are when their walks begin late, whatever others have missed meanwhile.', () => {
    const bench = new AgentBench(LEGACY, { timing: { walkRegion: 15, walkers: 3 } });
    const { agent, engine } = bench;
    bench.map(...[first, second, other].map((iova) => ({ iova, to: iova + 0x1000_0000, shift: 12, rights: 3 })));
    const places = new Map<number, number>();
    agent.answers = ({ addressLo, status, hpaLo }) => void places.set(addressLo >>> 0, status === 0 ? hpaLo >>> 0 : -1);
    const send = (page: number, addressType: number = AddressType.UNTRANSLATED): void => {
      const request = new TranslationRequest();
      Object.assign(request, { requester: REQUESTER, access: READ_ACCESS, addressType, addressLo: page | 0 });
      agent.requests.send(request);
    };
    // The context entry and the tables are cached then.
    send(other + 0x20);
    engine.run();
    // The second says that it is translated, which its context entry does not allow, and waits for the walk of the first.
    send(first);
    send(second, AddressType.TRANSLATED);
    send(third);
    engine.run();
    expect(places.get(first)).toBe(first + 0x1000_0000);
    expect(places.get(second)).toBe(-1);
  });
});
