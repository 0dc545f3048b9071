/**
 * What every IOMMU must do, whatever its registers and tables look like. A driver of its vendor writes the tables and the
 * commands; the suite knows the unit only as `IommuUnit`.
 */
import { describe, expect, it } from 'vitest';
import { Access, Status, TimedIommu } from '../../hardware/iommu/index.ts';
import { MemoryController } from '../../hardware/memory/index.ts';
import { TranslationRequest } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { Bench, type IommuSubject, type Page, REQUESTER, reached, UNMAPPED } from './iommu-bench.ts';

/** A test that units whose name begins with `vendor` do not have to pass. */
export interface Exemption {
  readonly vendor: string;
  readonly test: string;
  readonly reason: string;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Printed at the end of the run. */
    exemption?: Exemption;
  }
}

const OTHER_REQUESTER = 0x0019;
const BOTH = Access.READ | Access.WRITE;
const KIB_4 = 12;
const MIB_2 = 21;
const GIB_1 = 30;
const IOVA = 0x8040_3000;
const DATA = 0x1_4020_5000;
const OTHER_DATA = 0x1_4020_9000;
const INTERRUPTS = 0xfee0_0000;

const page = (iova: number, to: number, rights = BOTH, shift = KIB_4): Page => ({ iova, to, rights, shift });

const kindOf = (access: number): 'read' | 'write' => (access === Access.READ ? 'read' : 'write');

type Make = () => Bench;

const TESTS: Readonly<Record<string, (make: Make, subject: IommuSubject) => void>> = {
  'Off, it lets every access and every interrupt pass, and reports nothing.': (make) => {
    const bench = make();
    for (const access of [Access.READ, Access.WRITE]) {
      for (const iova of [0, IOVA, 0xff_ffff_f000]) expect(bench.dma(iova + 4, access)).toBe(iova + 4);
    }
    expect(bench.interrupt([INTERRUPTS, 0x41])).toEqual({ lo: INTERRUPTS, data: 0x41 });
    expect(bench.driver.reports()).toEqual([]);
  },

  'On, it blocks DMA to what is not mapped and reports each access once: requester, page and kind.': (
    make,
    { pasid },
  ) => {
    const bench = make().on(page(IOVA, DATA));
    for (const access of [Access.READ, Access.WRITE]) {
      expect(bench.dma(UNMAPPED + 8, access)).toBeNull();
      expect(bench.driver.reports()).toEqual([{ kind: kindOf(access), requester: REQUESTER, pasid, page: UNMAPPED }]);
      expect(bench.driver.reports()).toEqual([]);
    }
  },

  'It lets a page be read only.': (make, { pasid }) => {
    const bench = make().on(page(IOVA, DATA, Access.READ));
    expect(bench.dma(IOVA, Access.READ)).toBe(DATA);
    expect(bench.dma(IOVA, Access.WRITE)).toBeNull();
    expect(bench.driver.reports()).toEqual([{ kind: 'write', requester: REQUESTER, pasid, page: IOVA }]);
  },

  'It lets a page be written only.': (make, { pasid }) => {
    const bench = make().on(page(IOVA, DATA, Access.WRITE));
    expect(bench.dma(IOVA, Access.WRITE)).toBe(DATA);
    expect(bench.dma(IOVA, Access.READ)).toBeNull();
    expect(bench.driver.reports()).toEqual([{ kind: 'read', requester: REQUESTER, pasid, page: IOVA }]);
  },

  'It has pages of 4 KiB, 2 MiB and 1 GiB, and finds each byte of them where it lies.': (make) => {
    for (const shift of [KIB_4, MIB_2, GIB_1]) {
      const size = 2 ** shift;
      const bench = make().on(page(2 * size, 5 * size, BOTH, shift));
      for (const offset of [0, size / 2 + 12, size - 1]) expect(bench.dma(2 * size + offset)).toBe(5 * size + offset);
      for (const outside of [2 * size - 1, 3 * size]) expect(bench.dma(outside), `${shift}`).toBeNull();
    }
  },

  'A question is answered as the access would be, and changes nothing.': (make) => {
    const bench = make().on(page(IOVA, DATA, Access.READ));
    const before = bench.state();
    const asked = [Access.READ, Access.WRITE].flatMap((access) =>
      [IOVA, UNMAPPED].map((iova) => ({ iova, access, answer: bench.dma(iova, access, false) })),
    );
    expect(bench.state() === before, 'nothing has changed').toBe(true);
    expect(bench.unit.hit(bench.ask(IOVA, Access.READ)), 'nothing is cached').toBe(false);
    expect(bench.driver.reports()).toEqual([]);
    for (const { iova, access, answer } of asked) expect(bench.dma(iova, access)).toBe(answer);
    expect(bench.dma(IOVA)).toBe(DATA);
  },

  'What it answers at once is what the whole procedure answers, and never what is blocked.': (make) => {
    const bench = make().on(page(IOVA, DATA), page(IOVA + 0x1000, OTHER_DATA, Access.READ));
    for (let round = 0; round < 2; round++) {
      for (const iova of [IOVA + 0x10, IOVA + 0x1010, UNMAPPED]) {
        for (const access of [Access.READ, Access.WRITE]) {
          const whole = bench.walk(iova, access);
          const t = bench.ask(iova, access);
          if (bench.unit.hit(t)) expect(reached(t)).toBe(whole);
          expect(bench.dma(iova, access)).toBe(whole);
        }
      }
    }
  },

  'It answers at once what it has answered before.': (make) => {
    const bench = make().on(page(IOVA, DATA));
    const t = bench.ask(IOVA + 8, Access.READ);
    expect(bench.unit.hit(t)).toBe(false);
    bench.unit.translate(t);
    expect(bench.unit.hit(bench.ask(IOVA + 16, Access.READ))).toBe(true);
  },

  'After an invalidation a new mapping counts, and one that is taken away no longer does.': (make) => {
    const bench = make().on(page(IOVA, DATA));
    const { driver } = bench;
    expect(bench.dma(IOVA)).toBe(DATA);
    driver.map(page(IOVA, OTHER_DATA));
    expect([DATA, OTHER_DATA]).toContain(bench.dma(IOVA));
    driver.invalidate();
    expect(bench.dma(IOVA)).toBe(OTHER_DATA);
    driver.map(page(IOVA, 0, 0));
    driver.invalidate();
    expect(bench.dma(IOVA)).toBeNull();
  },

  'It keeps devices apart.': (make) => {
    const bench = make().on(page(IOVA, DATA));
    expect(bench.dma(IOVA)).toBe(DATA);
    const t = bench.ask(IOVA, Access.READ);
    t.requester = OTHER_REQUESTER;
    bench.unit.translate(t);
    expect(reached(t)).toBeNull();
    expect(bench.driver.reports()).toMatchObject([{ kind: 'read', requester: OTHER_REQUESTER }]);
  },

  'Reset leads back to the unit as it was built.': (make) => {
    const bench = make();
    const built = bench.registers();
    for (const to of [DATA, OTHER_DATA]) {
      bench.on(page(IOVA, to));
      expect(bench.dma(IOVA)).toBe(bench.mapped(IOVA, to));
      bench.dma(UNMAPPED);
      bench.interrupt(bench.driver.message(3));
      bench.requestPage(true);
      bench.unit.reset();
      expect(bench.registers()).toEqual(built);
      expect(bench.dma(IOVA)).toBe(IOVA);
    }
  },

  'In simulated time requests end as they do at once, with the same reports.': (make) => {
    const pages = [page(IOVA, DATA), page(IOVA + 0x1000, OTHER_DATA, Access.READ)];
    const [now, timed] = [make().on(...pages), make().on(...pages)];
    const engine = new Engine();
    const controller = new MemoryController(engine, timed.memory, { latency: 100, bytesPerNanosecond: 16 });
    const agent = new TimedIommu(engine, timed.unit, controller);
    const answered: TranslationRequest[] = [];
    agent.answers = (request) => answered.push(request);
    for (const iova of [IOVA, IOVA + 0x1000, IOVA, UNMAPPED]) {
      for (const access of [Access.READ, Access.WRITE]) {
        const { requester, pasid, hi, lo } = timed.ask(iova, access);
        const request = new TranslationRequest();
        Object.assign(request, { requester, pasid, access, addressHi: hi, addressLo: lo, length: 4 });
        agent.requests.send(request);
        engine.run();
        expect(answered.pop()).toBe(request);
        const address = (request.hpaHi >>> 0) * 2 ** 32 + (request.hpaLo >>> 0);
        expect(request.status === Status.SUCCESS ? address : null).toBe(now.dma(iova, access));
        expect(timed.driver.reports()).toEqual(now.driver.reports());
      }
    }
    expect(engine.now, 'time has passed').toBeGreaterThan(0);
  },

  'On, it sends interrupts where their entries say, and blocks and reports those without.': (make) => {
    const bench = make().on();
    const { driver } = bench;
    driver.route(3, { vector: 0x41, destination: 5 });
    driver.route(4, { vector: 0x42, destination: 6 });
    driver.invalidate();
    for (const [index, vector, destination] of [
      [3, 0x41, 5],
      [4, 0x42, 6],
    ] as const) {
      const { lo, data } = bench.interrupt(driver.message(index))!;
      expect([lo & ~0xf, data & 0xff]).toEqual([(INTERRUPTS | (destination << 12)) & ~0xf, vector]);
    }
    expect(driver.reports()).toEqual([]);
    driver.route(3, null);
    driver.invalidate();
    expect(bench.interrupt(driver.message(3))).toBeNull();
    expect(driver.reports()).toMatchObject([{ kind: 'interrupt', requester: REQUESTER }]);
  },

  'A page request gets one answer, off or on, and one that is not the last of its group none.': (make) => {
    const bench = make();
    expect(bench.requestPage(true)).toBe(1);
    bench.on();
    expect(bench.requestPage(true)).toBe(1);
    expect(bench.requestPage(false)).toBe(0);
  },

  'Register accesses of 3, 5 or 16 bytes, and such as are not aligned, do nothing.': (make, { registerBytes }) => {
    const bench = make().on(page(IOVA, DATA));
    bench.expectIgnored(registerBytes, [
      [0, 3],
      [0, 5],
      [0, 16],
      [1, 4],
      [2, 8],
    ]);
    expect(bench.dma(IOVA)).toBe(bench.mapped(IOVA, DATA));
  },

  'Register accesses of 1 and 2 bytes do nothing.': (make, { registerBytes }) => {
    const bench = make().on(page(IOVA, DATA));
    bench.expectIgnored(registerBytes, [
      [0, 1],
      [0, 2],
    ]);
  },

  'Two units in one process do not see each other.': (make) => {
    const alone = make();
    const built = alone.state();
    const [one, other] = [make().on(page(IOVA, DATA)), make().on(page(IOVA, OTHER_DATA))];
    for (let round = 0; round < 2; round++) {
      expect(one.dma(IOVA)).toBe(one.mapped(IOVA, DATA));
      expect(other.dma(IOVA)).toBe(other.mapped(IOVA, OTHER_DATA));
    }
    expect(one.interrupt(one.driver.message(3))).toBeNull();
    expect(other.driver.reports()).toEqual([]);
    expect(one.driver.reports()).toHaveLength(1);
    one.unit.reset();
    expect(other.dma(IOVA)).toBe(other.mapped(IOVA, OTHER_DATA));
    expect(alone.state() === built, 'who does nothing stays the same').toBe(true);
  },
};

/** Runs the suite on each subject. An exempted test must fail: an exemption that is not needed is a failure. */
export function iommuContract(subjects: readonly IommuSubject[], exemptions: readonly Exemption[]): void {
  describe.each(subjects)('$name', (subject) => {
    const make: Make = () => new Bench(subject);
    for (const [test, run] of Object.entries(TESTS)) {
      const exemption = exemptions.find((one) => subject.name.startsWith(one.vendor) && one.test === test);
      if (exemption === undefined) it(test, () => run(make, subject));
      else {
        it(`Exempted: ${test}`, ({ task }) => {
          task.meta.exemption = { ...exemption, vendor: subject.name };
          expect(() => run(make, subject)).toThrow();
        });
      }
    }
  });

  it('Every exemption is of a test and of units that there are.', () => {
    for (const { vendor, test } of exemptions) {
      expect(Object.keys(TESTS)).toContain(test);
      expect(subjects.some(({ name }) => name.startsWith(vendor))).toBe(true);
    }
  });
}

/** For exemptions: the tests by what they begin with. */
export function testsAbout(...beginnings: readonly string[]): string[] {
  return beginnings.map((beginning) => {
    const found = Object.keys(TESTS).filter((title) => title.startsWith(beginning));
    if (found.length !== 1) throw new Error(`not one test begins with "${beginning}"`);
    return found[0]!;
  });
}
