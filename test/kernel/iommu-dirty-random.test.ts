/** Which pages devices have written to, after any sequence of commands: against sets of numbers that say what each reader has to hear. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { DIRTY, IOVA, NO_CLEAR, TRACKING, Tracker, writes } from './dirty-bench.ts';
import { PAGE } from './machine-bench.ts';

const K4 = BigInt(PAGE);
/** The root maps 16 pages in chunks of 4; the child, when it maps, 6 pages from page 5 of the root on: all of one chunk, and parts. */
const CHUNK = 4;
const CHUNKS = 4;
const CHILD = 0x5000_0000n;
const BEGINS = 5;
const CHILD_PAGES = 6;

type Who = 'root' | 'child';
const who = fc.constantFrom<Who>('root', 'child');
const on = fc.constantFrom(true, true, false);
const OPERATIONS = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), page: fc.nat(CHUNK * 2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), who, keep: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set' as const), who, on }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('chunk' as const), chunk: fc.nat(CHUNKS - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('child', 'move') }) },
);
type Operation = typeof OPERATIONS extends fc.Arbitrary<infer T> ? T : never;

/** From here on it gets interesting: the device is in the child, and both are tracked. */
const BEGINNING: readonly Operation[] = [
  { do: 'child' },
  { do: 'move' },
  { do: 'set', who: 'root', on: true },
  { do: 'set', who: 'child', on: true },
];

class Model {
  readonly mapped = new Array<boolean>(CHUNKS).fill(true);
  childMaps = false;
  place: Who = 'root';
  /** What each reader has to hear; `null` while nothing is tracked. */
  readonly unread: Record<Who, Set<number> | null> = { root: null, child: null };

  /** Chunks that the child needs. */
  get supports(): boolean {
    return [BEGINS, BEGINS + CHILD_PAGES - 1].every((page) => this.mapped[Math.floor(page / CHUNK)]);
  }

  /** The page of the root behind a page of where the device is; `undefined` where it reaches nothing. */
  behind(page: number): number | undefined {
    const reaches = this.place === 'root' || (this.childMaps && page < CHILD_PAGES);
    const below = this.place === 'root' ? page : page + BEGINS;
    return reaches && this.mapped[Math.floor(below / CHUNK)] === true ? below : undefined;
  }

  write(page: number): void {
    this.unread.root?.add(this.behind(page)!);
    if (this.place === 'child') this.unread.child?.add(page);
  }

  lose(of: Who, first: number, pages: number): void {
    for (let page = first; page < first + pages; page++) this.unread[of]?.delete(page);
  }
}

function* play(s: Tracker, operations: readonly Operation[]): Script {
  const model = new Model();
  const engine = yield* s.engine(0);
  const child = yield* s.alloc({ flags: DIRTY, parent_ioasid: s.root });
  expect(yield* s.unmap(s.root, IOVA, BigInt(CHUNK * CHUNKS) * K4)).toBe(0);
  const chunkAt = (chunk: number) => BigInt(chunk * CHUNK) * K4;
  const size = BigInt(CHUNK) * K4;
  const mapChunk = (chunk: number) => s.map(s.root, IOVA + chunkAt(chunk), s.buffer + chunkAt(chunk), size);
  for (let chunk = 0; chunk < CHUNKS; chunk++) expect(yield* mapChunk(chunk)).toBe(0);
  expect(yield* s.attach(0, s.root)).toBe(0);

  function* hear(
    of: Who,
    range: { first: number; pages: number; iova: bigint; ioasid: number },
    keep: boolean,
  ): Script {
    const unread = model.unread[of];
    const { first, pages, iova, ioasid } = range;
    const bits = yield* s.bits({ ioasid, iova, length: BigInt(pages) * K4, flags: keep ? NO_CLEAR : 0 });
    const expected = [...(unread ?? [])].filter((page) => page >= first && page < first + pages);
    expect(bits).toEqual(unread === null ? '-EINVAL' : expected.map((page) => page - first).sort((a, b) => a - b));
    if (!keep) model.lose(of, first, pages);
  }

  function* get(of: Who, keep: boolean): Script {
    if (of === 'child') {
      const range = { first: 0, pages: CHILD_PAGES, iova: CHILD, ioasid: child };
      if (model.childMaps) yield* hear(of, range, keep);
      return;
    }
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      if (model.mapped[chunk] !== true) continue;
      const range = { first: chunk * CHUNK, pages: CHUNK, iova: IOVA + chunkAt(chunk), ioasid: s.root };
      yield* hear(of, range, keep);
    }
  }

  function* write(page: number): Script {
    const at = model.place === 'root' ? IOVA : CHILD;
    const reaches = model.behind(page) !== undefined;
    expect((yield* engine.read(at + BigInt(page) * K4, 1)).ok).toBe(reaches);
    if (!reaches) return;
    yield* writes(engine, [page], at);
    model.write(page);
  }

  function* toggleChunk(chunk: number): Script {
    const isMapped = model.mapped[chunk] === true;
    expect(yield* isMapped ? s.unmap(s.root, IOVA + chunkAt(chunk), size) : mapChunk(chunk)).toBe(0);
    if (isMapped) model.lose('root', chunk * CHUNK, CHUNK);
    model.mapped[chunk] = !isMapped;
  }

  function* toggleChild(): Script {
    const bytes = BigInt(CHILD_PAGES) * K4;
    if (!model.childMaps && !model.supports) return;
    const from = IOVA + BigInt(BEGINS) * K4;
    expect(yield* model.childMaps ? s.unmap(child, CHILD, bytes) : s.map(child, CHILD, from, bytes)).toBe(0);
    if (model.childMaps) model.lose('child', 0, CHILD_PAGES);
    model.childMaps = !model.childMaps;
  }

  for (const operation of [...BEGINNING, ...operations]) {
    if (operation.do === 'write') yield* write(operation.page);
    else if (operation.do === 'get') yield* get(operation.who, operation.keep);
    else if (operation.do === 'set') {
      expect(yield* s.set(operation.who === 'root' ? s.root : child, operation.on)).toBe(0);
      model.unread[operation.who] = operation.on ? new Set() : null;
    } else if (operation.do === 'chunk') yield* toggleChunk(operation.chunk);
    else if (operation.do === 'child') yield* toggleChild();
    else {
      expect(yield* model.place === 'root' ? s.attach(0, child) : s.detach(0, child)).toBe(0);
      model.place = model.place === 'root' ? 'child' : 'root';
    }
  }
  for (const of of ['root', 'child'] as const) yield* get(of, true);
  for (const of of ['child', 'root'] as const) yield* get(of, false);
}

describe.each(TRACKING)('On %s', (_, up) => {
  it('each reader hears of each page that was written since it was told last, and of no other', () => {
    fc.assert(
      fc.property(fc.array(OPERATIONS, { minLength: 10, maxLength: 30 }), (operations) => {
        const bench = up();
        bench.run(
          (function* () {
            const s = yield* new Tracker(bench).begin();
            yield* play(s, operations);
            yield* s.program.exit();
          })(),
        );
        expect(bench.kernel.pages.pinned).toBe(0);
      }),
      { numRuns: 12 },
    );
  });
});
