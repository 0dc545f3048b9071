/**
 * Any mix of what programs do to devices that are at work, in any order and at any moment, by two processes that share the
 * descriptors and by threads of each: when all have ended nothing is left.
 */
import fc from 'fast-check';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { Program } from '../../src/user/index.ts';
import { PAGE } from './machine-bench.ts';
import { Busy, GIOVA, type VENDORS } from './teardown-bench.ts';
import type { Personality } from './teardown-personalities.ts';

const K4 = BigInt(PAGE);
const AT = 0x2000_0000n;

/** What a thread of a program does to a machine that is busy. */
type Deed = (s: Busy, program: Program, api: Personality) => Script<unknown>;

const DEEDS: Readonly<Record<string, Deed>> = {
  'close plain': (s, program) => program.close(s.plainFd),
  'close asking': (s, program) => program.close(s.askerFd),
  'close spaces': (s, program) => program.close(s.fd),
  exit: (_, program) => program.exit(),
  map: (s, program, api) => api.map(program, s.fd, { ioasid: s.root, iova: AT, vaddr: s.memory, size: 4n * K4 }),
  unmap: (s, program, api) => api.unmap(program, s.fd, { ioasid: s.root, iova: AT, size: 4n * K4 }),
  'map nested': (s, program, api) => api.map(program, s.fd, { ioasid: s.child, iova: AT, vaddr: AT, size: 4n * K4 }),
  'unmap nested': (s, program, api) => api.unmap(program, s.fd, { ioasid: s.child, iova: GIOVA, size: 8n * K4 }),
  'detach nested': (s, program, api) => api.detach(program, s.plainFd, s.fd, s.child),
  'detach asking': (s, program, api) => api.detach(program, s.askerFd, s.fd, s.root),
  'attach asking': (s, program, api) => api.attach(program, s.askerFd, s.fd, s.root),
  'answer a page request': (s, program, api) => api.respond(program, s.fd, s.root, 1),
  'ask for pages': function* (s) {
    s.askForPages(1);
    yield ns(1);
  },
  poll: (s, program) => program.poll(s.fd, 20_000),
  'give memory back': (s, program) => program.munmap(s.memory, 2 * PAGE),
};

const NAMES = Object.keys(DEEDS);

const SCHEDULE = fc.array(
  fc.record({
    deed: fc.constantFrom(...NAMES),
    byChild: fc.boolean(),
    after: fc.integer({ min: 0, max: 4_000 }),
  }),
  { minLength: 1, maxLength: 14 },
);

/** Does all of it on a machine, each in a thread of its own; then both processes end. */
export function anyScheduleLeavesNothing(
  make: (typeof VENDORS)[number][1],
  api: Personality,
  runs: { readonly numRuns: number; readonly seed?: number },
): void {
  fc.assert(
    fc.property(SCHEDULE, (schedule) => {
      const s = new Busy(make(), api);
      s.bench.run(
        (function* () {
          yield* s.start();
          const child = yield* s.program.fork('child');
          if (!(child instanceof Program)) throw new Error('no child');
          for (const { deed, byChild, after } of schedule) {
            yield ns(after);
            s.thread(() => DEEDS[deed]!(s, byChild ? child : s.program, api));
          }
          yield ns(30_000);
          s.thread(() => child.exit());
          s.thread(() => s.program.exit());
        })(),
      );
      s.expectNothingLeft();
    }),
    runs,
  );
}
