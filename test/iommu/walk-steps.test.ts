/** A walk entry by entry is the whole procedure, to the picosecond, whatever software does to the tables meanwhile. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, AddressType, type IommuUnit, Step } from '../../hardware/iommu/index.ts';
import { TranslationRequest } from '../../hardware/pcie/index.ts';
import { type IommuSubject, REQUESTER } from '../contracts/iommu-bench.ts';
import { AgentBench } from './agent-bench.ts';
import { AMD } from './contract/amd.ts';
import { VTD } from './contract/vtd.ts';

const SUBJECTS = [...VTD, ...AMD].filter(({ passes }) => !passes);
/** Units whose walks can go entry by entry. */
const STEPPED = ['VT-d, legacy', 'VT-d, scalable, second stage', 'AMD-Vi, v1'];

/** Pages far apart and close together, so that walks share tables of every level or none. */
const ADDRESSES = [0x8000_0000, 0x8000_1000, 0x8020_0000, 0x8021_5000, 0xc000_0000, 0x80_0000_0000];
const RIGHTS = [0, Access.READ, Access.WRITE, Access.READ | Access.WRITE];

const place = fc.constantFrom(...ADDRESSES);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('dma' as const), at: place, access: fc.constantFrom(1, 2, 3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('map' as const),
      at: place,
      to: fc.constantFrom(0x1_4000_0000, 0x1_8020_0000, 0xfee0_0000),
      shift: fc.constantFrom(12, 12, 21),
      rights: fc.constantFrom(...RIGHTS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('invalidate' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), nanoseconds: fc.integer({ min: 0, max: 400 }) }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** All that anybody can see of a run. */
function run(subject: IommuSubject, actions: readonly Action[], prepare: (unit: IommuUnit) => void) {
  const bench = new AgentBench(subject);
  const { agent, engine, driver } = bench;
  prepare(bench.unit);
  const answers: unknown[] = [];
  agent.answers = ({ addressHi, addressLo, status, hpaHi, hpaLo, snoop }) => {
    answers.push([engine.now, addressHi, addressLo, status, ...(status === 0 ? [hpaHi, hpaLo, snoop] : [])]);
  };
  for (const step of actions) {
    if (step.do === 'pass') bench.pass(step.nanoseconds);
    else if (step.do === 'map') driver.map({ ...step, iova: step.at - (step.at % 2 ** step.shift) });
    else if (step.do === 'invalidate') driver.invalidate();
    else {
      const request = new TranslationRequest();
      request.requester = REQUESTER;
      request.pasid = subject.pasid;
      request.access = step.access;
      request.addressType = AddressType.UNTRANSLATED;
      request.addressHi = Math.floor(step.at / 2 ** 32);
      request.addressLo = step.at | 0;
      agent.requests.send(request);
    }
  }
  engine.run();
  return { answers, reports: driver.reports(), state: { ...agent.state }, end: engine.now };
}

const never = (unit: IommuUnit): void => {
  unit.begin = () => false;
};

describe.each(SUBJECTS)('Walks of $name', (subject) => {
  it('give the same answers at the same instants entry by entry as by the whole procedure.', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 10, maxLength: 60 }), (actions) => {
        expect(run(subject, actions, () => {})).toEqual(run(subject, actions, never));
      }),
      { numRuns: 60 },
    );
  });
});

describe('Walks entry by entry', () => {
  const dma = (at: number): Action => ({ do: 'dma', at, access: 3 });
  const map = (at: number, rights = 3): Action => ({ do: 'map', at, to: 0x1_4000_0000, shift: 12, rights });
  /** Of a run: how many steps were done, and what they came to. */
  const ends = (subject: IommuSubject, actions: readonly Action[]): number[] => {
    const seen: number[] = [];
    run(subject, actions, (unit) => {
      const step = unit.step.bind(unit);
      unit.step = (t) => {
        const end = step(t);
        seen.push(end);
        return end;
      };
    });
    return seen;
  };

  it.each(SUBJECTS.map((subject) => [subject.name, subject] as const))(
    'of %s: the second page of a device is found by one, where there is one stage of the host.',
    (name, subject) => {
      const wait: Action = { do: 'pass', nanoseconds: 5000 };
      const actions = [map(0x8000_0000), map(0x8000_1000), dma(0x8000_0000), wait, dma(0x8000_1000)];
      // The tables above are in the paging-structure cache by then.
      expect(ends(subject, actions)).toEqual(STEPPED.includes(name) ? [Step.DONE] : []);
    },
  );

  it('give over at an entry that is taken away while they wait for it.', () => {
    const subject = SUBJECTS.find(({ name }) => name === 'VT-d, legacy')!;
    const wait: Action = { do: 'pass', nanoseconds: 5000 };
    const before = [map(0x8000_0000), map(0x8000_1000), dma(0x8000_0000), wait, dma(0x8000_1000)];
    const actions: Action[] = [...before, { do: 'pass', nanoseconds: 20 }, map(0x8000_1000, 0)];
    expect(ends(subject, actions)).toEqual([Step.ODD]);
    expect(run(subject, actions, () => {}).reports).toMatchObject([{ page: 0x8000_1000 }]);
  });
});
