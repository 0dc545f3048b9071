/** The ordering table, row by row and exhaustively, and the queue that forwards by it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Attribute,
  type Egress,
  mayPass,
  Passing,
  passing,
  Tlp,
  TlpKind,
  TransactionQueue,
} from '../../hardware/pcie/index.ts';

const { NO, MAY, MUST } = Passing;
const A = 0x0100;
const B = 0x0200;
const ROOT = 0x0000;

const KINDS: Readonly<Record<string, () => Tlp>> = {
  MWr: () => new Tlp().memoryWrite(A, 0, 0x1000, 64),
  Msg: () => new Tlp().message(A, 0x30),
  MsgD: () => new Tlp().messageTo(B, A, 1).withMessageData(8),
  MRd: () => new Tlp().memoryRead(A, 1, 0, 0x1000, 64),
  CfgRd0: () => new Tlp().configRead(A, 2, B, 0, 4),
  CfgWr0: () => new Tlp().configWrite(A, 3, B, 4, 4),
  FetchAdd: () => new Tlp().atomic(TlpKind.FETCH_ADD, A, 4, 0, 0x1000, 8),
  Swap: () => new Tlp().atomic(TlpKind.SWAP, A, 5, 0, 0x1000, 8),
  CAS: () => new Tlp().atomic(TlpKind.COMPARE_AND_SWAP, A, 6, 0, 0x1000, 16),
  DMWr: () => new Tlp().deferrableWrite(A, 7, 0, 0x1000, 64),
  Cpl: () => new Tlp().answer(B, 8, A, 0, 4),
  CplD: () => new Tlp().answer(B, 9, A, 0, 4).withData(0, 4),
};
const POSTED = ['MWr', 'Msg', 'MsgD'];
const READS = ['MRd', 'CfgRd0'];
const WITH_DATA = ['CfgWr0', 'FetchAdd', 'Swap', 'CAS', 'DMWr'];
const COMPLETIONS = ['Cpl', 'CplD'];

/** "Ordering Rules Summary", PCIe section 2.4.1, without attributes: rows A to D, columns 2 to 5. */
const TABLE: readonly (readonly [string, readonly string[], readonly (readonly string[])[]])[] = [
  ['A: a posted request', POSTED, [['No'], ['Yes'], ['Yes'], ['Y/N']]],
  ['B: a read request', READS, [['No'], ['Y/N'], ['Y/N'], ['Y/N']]],
  ['C: a non-posted request with data', WITH_DATA, [['No'], ['Y/N'], ['Y/N'], ['Y/N']]],
  ['D: a completion', COMPLETIONS, [['No'], ['Yes'], ['Yes'], ['Y/N']]],
];
const COLUMNS = [POSTED, READS, WITH_DATA, COMPLETIONS];
const WORDS: Readonly<Record<string, number>> = { No: NO, Yes: MUST, 'Y/N': MAY };

const CASES = TABLE.flatMap(([row, laters, cells]) =>
  laters.flatMap((later) =>
    COLUMNS.flatMap((earliers, c) =>
      earliers.map((earlier) => [row, later, earlier, cells[c]![0]!] as const).filter(([, l, e]) => l !== e),
    ),
  ),
);

describe('The ordering table', () => {
  it.each(CASES)('%s: %s after %s: %s', (_, later, earlier, cell) => {
    expect(passing(KINDS[later]!(), KINDS[earlier]!())).toBe(WORDS[cell]);
  });

  it.each([...POSTED])('A2: %s does not pass one of its own kind', (kind) => {
    expect(mayPass(KINDS[kind]!(), KINDS[kind]!())).toBe(false);
  });

  it.each(POSTED.flatMap((earlier) => ['MWr', ...WITH_DATA, ...COMPLETIONS].map((later) => [later, earlier] as const)))(
    'A2b, C2b, D2b: %s with Relaxed Ordering may pass %s, and what it passes needs none',
    (later, earlier) => {
      expect(passing(withAttributes(KINDS[later]!(), Attribute.RELAXED_ORDERING), KINDS[earlier]!())).toBe(MAY);
      expect(passing(KINDS[later]!(), withAttributes(KINDS[earlier]!(), Attribute.RELAXED_ORDERING))).toBe(NO);
    },
  );

  it.each(READS)('B2b: %s does not pass a posted request by Relaxed Ordering', (later) => {
    expect(mayPass(withAttributes(KINDS[later]!(), Attribute.RELAXED_ORDERING), KINDS['MWr']!())).toBe(false);
  });

  it.each([...POSTED, ...READS, ...WITH_DATA])(
    'A2b, B2b, C2b: %s with IDO may pass a posted request of another',
    (kind) => {
      const later = withAttributes(KINDS[kind]!(), Attribute.ID_ORDERING);
      expect(passing(later, new Tlp().memoryWrite(B, 0, 0, 4))).toBe(MAY);
      expect(passing(later, new Tlp().memoryWrite(A, 0, 0, 4))).toBe(NO);
    },
  );

  it.each([...POSTED, ...READS, ...WITH_DATA])(
    'A2b, B2b, C2b: %s with IDO may pass a posted request under another PASID',
    (kind) => {
      const later = withAttributes(KINDS[kind]!().withPasid(1, false, false), Attribute.ID_ORDERING);
      expect(passing(later, new Tlp().memoryWrite(A, 0, 0, 4).withPasid(2, false, false))).toBe(MAY);
      expect(passing(later, new Tlp().memoryWrite(A, 0, 0, 4).withPasid(1, false, false))).toBe(NO);
      expect(passing(later, new Tlp().memoryWrite(A, 0, 0, 4))).toBe(NO);
      expect(
        passing(
          withAttributes(KINDS[kind]!(), Attribute.ID_ORDERING),
          new Tlp().memoryWrite(A, 0, 0, 4).withPasid(2, false, false),
        ),
      ).toBe(NO);
    },
  );

  it.each(COMPLETIONS)('D2b: %s with IDO may pass a posted request of another than its completer', (kind) => {
    const later = withAttributes(KINDS[kind]!(), Attribute.ID_ORDERING);
    // Its completer is A; whom it answers, B, does not count.
    expect(passing(later, new Tlp().memoryWrite(B, 0, 0, 4))).toBe(MAY);
    expect(passing(later, new Tlp().memoryWrite(A, 0, 0, 4))).toBe(NO);
  });

  it('D5b: completions with the same transaction id stay in order, whatever their attributes', () => {
    const piece = (tag: number, requester = B) => new Tlp().answer(requester, tag, A, 0, 64).withData(0, 64);
    expect(passing(piece(1), piece(1))).toBe(NO);
    expect(passing(withAttributes(piece(1), Attribute.RELAXED_ORDERING | Attribute.ID_ORDERING), piece(1))).toBe(NO);
    expect(passing(piece(2), piece(1))).toBe(MAY);
    expect(passing(piece(1, ROOT), piece(1))).toBe(MAY);
  });

  it('No Snoop changes nothing', () => {
    for (const later of Object.values(KINDS)) {
      for (const earlier of Object.values(KINDS)) {
        expect(passing(withAttributes(later(), Attribute.NO_SNOOP), earlier())).toBe(passing(later(), earlier()));
      }
    }
  });

  it('nothing binds TLPs of different traffic classes', () => {
    for (const later of Object.values(KINDS)) {
      for (const earlier of Object.values(KINDS)) {
        const other = later();
        other.trafficClass = 1;
        expect(mayPass(other, earlier())).toBe(true);
      }
    }
  });
});

describe('A queue of transactions', () => {
  it('sends at once what nothing is in the way of, and then gives its credit back', () => {
    const seen: string[] = [];
    const queue = new TransactionQueue(() => seen.push('credit'));
    queue.push(KINDS['MRd']!(), { canSend: () => true, send: () => seen.push('sent') });
    expect([queue.length, seen]).toEqual([0, ['sent', 'credit']]);
  });

  it('has used the credit of its egress when its own goes back, which may let another queue send there', () => {
    const { queue: other, egress, sent } = bench();
    egress.offer(other, 'CAS');
    const queue = new TransactionQueue(() => other.pump());
    egress.offer(queue, 'MRd');
    egress.credits = [0, 1, 0];
    queue.pump();
    expect([sent, egress.credits]).toEqual([['MRd'], [0, 0, 0]]);
    egress.credits = [0, 1, 0];
    other.pump();
    expect(sent).toEqual(['MRd', 'CAS']);
  });

  it('lets posted requests and completions pass blocked non-posted requests, and these keep their order', () => {
    const { queue, egress, sent } = bench();
    egress.credits = [9, 0, 9];
    for (const kind of ['MRd', 'CfgWr0', 'MWr', 'CplD', 'CAS', 'Msg', 'Cpl']) egress.offer(queue, kind);
    expect(sent).toEqual(['MWr', 'CplD', 'Msg', 'Cpl']);
    egress.credits[1] = 2;
    queue.pump();
    expect(sent.slice(4)).toEqual(['MRd', 'CfgWr0']);
    egress.credits[1] = 1;
    queue.pump();
    expect(sent.slice(6)).toEqual(['CAS']);
    expect(queue.length).toBe(0);
  });

  it('holds everything but strangers behind a blocked posted request', () => {
    const { queue, egress, sent } = bench();
    egress.credits = [0, 9, 9];
    for (const kind of ['MWr', 'MRd', 'CplD']) egress.offer(queue, kind);
    expect(sent).toEqual([]);
    queue.push(withAttributes(named('Cpl', KINDS['Cpl']!()), Attribute.RELAXED_ORDERING), egress);
    expect(sent).toEqual(['Cpl']);
    egress.credits = [1, 9, 9];
    queue.pump();
    expect(sent).toEqual(['Cpl', 'MWr', 'MRd', 'CplD']);
  });

  it('holds a TLP behind a posted request that waits for another egress', () => {
    const { queue, egress, sent } = bench();
    const closed: Egress = { canSend: () => false, send: () => {} };
    queue.push(KINDS['MWr']!(), closed);
    egress.offer(queue, 'MRd');
    expect([sent, queue.length]).toEqual([[], 2]);
  });

  it('forwards what comes while it sends, and after it', () => {
    const sent: number[] = [];
    let more = 3;
    const egress: Egress = {
      canSend: () => true,
      send: (tlp) => sent.push(tlp.addressLo),
    };
    const queue: TransactionQueue = new TransactionQueue(() => {
      if (more > 0) queue.push(new Tlp().memoryWrite(A, 0, --more, 1), egress);
      queue.pump();
    });
    queue.push(new Tlp().memoryWrite(A, 0, 99, 1), egress);
    expect(sent).toEqual([99, 2, 1, 0]);
    expect(queue.length).toBe(0);
  });

  it('gives up what it holds when it is reset', () => {
    const { queue, egress, sent } = bench();
    egress.credits = [0, 0, 0];
    egress.offer(queue, 'MWr');
    egress.offer(queue, 'MRd');
    const lost: Tlp[] = [];
    queue.reset((tlp) => lost.push(tlp));
    egress.credits = [9, 9, 9];
    queue.pump();
    expect([lost.length, queue.length, sent]).toEqual([2, 0, []]);
  });

  it('breaks no rule, loses nothing and stops for nothing that it may pass, whatever comes and whenever there are credits', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(arrival, arrival, refill), { maxLength: 60 }), (steps) => {
        const world = new World();
        for (const step of steps) world.take(step);
        world.drain();
        expect(world.sent).toHaveLength(world.arrived.length);
        expect(new Set(world.sent).size).toBe(world.arrived.length);
      }),
      { numRuns: 400 },
    );
  });
});

const arrival = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS)),
  egress: fc.nat(1),
  from: fc.constantFrom(A, B),
  tag: fc.nat(2),
  attributes: fc.nat(7),
  pasid: fc.integer({ min: -1, max: 1 }),
  trafficClass: fc.constantFrom(0, 0, 0, 1),
});
const refill = fc.record({ egress: fc.nat(1), credits: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)) });
type Step = typeof arrival extends fc.Arbitrary<infer T> ? T : never;
type Refill = typeof refill extends fc.Arbitrary<infer T> ? T : never;

/** Arrivals and credits at two egresses, against which each TLP that leaves, and each that stays, is judged by the table. */
class World {
  readonly arrived: Tlp[] = [];
  readonly sent: Tlp[] = [];
  readonly #egresses = [0, 1].map(() => ({ credits: [0, 0, 0] }));
  readonly #ports = this.#egresses.map(
    ({ credits }): Egress => ({
      canSend: (tlp) => credits[tlp.creditClass]! > 0,
      send: (tlp) => {
        credits[tlp.creditClass]!--;
        const before = this.arrived.slice(0, this.arrived.indexOf(tlp)).filter((one) => !this.sent.includes(one));
        for (const earlier of before) expect(mayPass(tlp, earlier)).toBe(true);
        this.sent.push(tlp);
      },
    }),
  );
  readonly #goesTo = new Map<Tlp, number>();
  readonly #queue = new TransactionQueue(() => {});

  take(step: Step | Refill): void {
    if ('credits' in step) {
      const own = this.#egresses[step.egress]!.credits;
      step.credits.forEach((more, i) => {
        own[i]! += more;
      });
      this.#queue.pump();
    } else {
      const tlp = KINDS[step.kind]!();
      tlp.requester = step.from;
      tlp.tag = step.tag;
      tlp.attributes = step.attributes;
      tlp.pasid = step.pasid;
      tlp.trafficClass = step.trafficClass;
      this.arrived.push(tlp);
      this.#goesTo.set(tlp, step.egress);
      this.#queue.push(tlp, this.#ports[step.egress]!);
    }
    this.#judgeWaiting();
  }

  /** Credits for completions and posted requests alone let all of those out; then the rest goes. */
  drain(): void {
    for (const { credits } of this.#egresses) {
      credits[0] = Infinity;
      credits[2] = Infinity;
    }
    this.#queue.pump();
    for (const tlp of this.#waiting()) expect(tlp.creditClass).toBe(1);
    for (const { credits } of this.#egresses) credits[1] = Infinity;
    this.#queue.pump();
    expect(this.#queue.length).toBe(0);
  }

  #waiting(): Tlp[] {
    return this.arrived.filter((tlp) => !this.sent.includes(tlp));
  }

  /** Who has a credit and still waits is held by an earlier one that it must not pass. */
  #judgeWaiting(): void {
    const waiting = this.#waiting();
    expect(this.#queue.length).toBe(waiting.length);
    waiting.forEach((tlp, i) => {
      if (!this.#ports[this.#goesTo.get(tlp)!]!.canSend(tlp)) return;
      expect(waiting.slice(0, i).some((earlier) => passing(tlp, earlier) === NO)).toBe(true);
    });
  }
}

function bench() {
  const sent: string[] = [];
  const egress = {
    credits: [0, 0, 0],
    canSend: (tlp: Tlp) => egress.credits[tlp.creditClass]! > 0,
    send: (tlp: Tlp) => {
      egress.credits[tlp.creditClass]!--;
      sent.push(NAMES.get(tlp)!);
    },
    offer: (queue: TransactionQueue, kind: string) => queue.push(named(kind, KINDS[kind]!()), egress),
  };
  return { queue: new TransactionQueue(() => {}), egress, sent };
}

const NAMES = new WeakMap<Tlp, string>();

function named(name: string, tlp: Tlp): Tlp {
  NAMES.set(tlp, name);
  return tlp;
}

function withAttributes(tlp: Tlp, attributes: number): Tlp {
  tlp.attributes = attributes;
  return tlp;
}
