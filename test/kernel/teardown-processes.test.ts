/** Processes that end while others, or other threads of their own, are in the middle of something. */
import { describe, expect, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { EINTR, formatResult } from '../../src/uapi/index.ts';
import { Program } from '../../src/user/index.ts';
import { PAGE } from './machine-bench.ts';
import { Busy, GIOVA, GPA, VENDORS } from './teardown-bench.ts';
import { PERSONALITIES } from './teardown-personalities.ts';

const K4 = BigInt(PAGE);
const LONG = 3_600_000_000_000;

const CASES = VENDORS.flatMap(([vendor, make]) => PERSONALITIES.map((api) => [vendor, api.path, make, api] as const));

describe.each(CASES)('On %s, with %s,', (_, __, make, api) => {
  /** Runs a body with a program whose devices work; then nothing is left. */
  function withBusy(body: (s: Busy) => Script): void {
    const s = new Busy(make(), api);
    s.bench.run(
      (function* () {
        yield* s.start();
        yield* body(s);
      })(),
    );
    s.expectNothingLeft();
  }

  function* forked(s: Busy): Script<Program> {
    const child = yield* s.program.fork('child');
    if (!(child instanceof Program)) throw new Error(formatResult(child));
    return child;
  }

  it('what a parent and its child share lives on with the child, and its devices go on working.', () => {
    withBusy(function* (s) {
      const child = yield* forked(s);
      const { pages } = s.bench.kernel;
      yield* s.program.exit();
      expect(pages.pinned).toBeGreaterThan(0);
      const { count } = s.writes;
      s.work(child, s.plainFd, GIOVA);
      yield ns(200_000);
      expect(s.writes.count).toBeGreaterThan(count);
      yield* child.exit();
    });
  });

  it('parent and child may end at once, each closing what both have.', () => {
    withBusy(function* (s) {
      const child = yield* forked(s);
      s.work(child, s.askerFd, GPA);
      yield ns(10_000);
      s.thread(() => child.exit());
      s.thread(() => s.program.exit());
    });
  });

  it('a process ends while another is in the middle of a command on the same spaces, which is finished.', () => {
    withBusy(function* (s) {
      const child = yield* forked(s);
      const results: number[] = [];
      const vaddr = yield* child.mmap(512 * PAGE);
      s.thread(function* () {
        const range = { ioasid: s.root, iova: 0x1000_0000n, vaddr, size: 512n * K4 };
        results.push(yield* api.map(child, s.fd, range));
        results.push(yield* api.unmap(child, s.fd, range));
      });
      s.thread(function* () {
        yield ns(2_000);
        yield* s.program.exit();
        yield* child.close(s.plainFd);
      });
      while (results.length < 2) yield ns(10_000);
      expect(results).toEqual([0, 0]);
      yield* child.exit();
    });
  });

  it('a process ends while threads of its own map, detach and open; none of them hangs, and none leaves anything.', () => {
    withBusy(function* (s) {
      const { program } = s;
      const vaddr = yield* program.mmap(64 * PAGE);
      const range = { ioasid: s.root, iova: 0x1000_0000n, vaddr, size: 64n * K4 };
      s.thread(() => api.map(program, s.fd, range));
      s.thread(() => api.detach(program, s.plainFd, s.fd, s.child));
      s.thread(function* () {
        for (let i = 0; i < 20; i++) yield* program.open(api.path);
      });
      yield ns(1_500);
      yield* program.exit();
    });
  });

  it('a thread that waits for faults wakes when the process ends, and all that it waited on goes.', () => {
    withBusy(function* (s) {
      const { program, bench } = s;
      yield ns(50_000);
      expect(yield* program.readFile(s.fd, PAGE)).toHaveLength(2 * (api.path === '/dev/iommu' ? 48 : 40));
      const began = bench.engine.now;
      const poll = bench.engine.spawn(program.poll(s.fd, LONG));
      yield ns(5_000);
      yield* program.exit();
      expect(yield poll.done).toBe(-EINTR);
      expect(bench.engine.now - began).toBeLessThan(10 ** 9);
    });
  });

  it('a descriptor that is closed while a thread waits on it lives on until the thread has what it waited for.', () => {
    withBusy(function* (s) {
      const { program, bench } = s;
      yield ns(50_000);
      yield* program.readFile(s.fd, PAGE);
      const poll = bench.engine.spawn(program.poll(s.fd, LONG));
      yield ns(5_000);
      yield* program.close(s.fd);
      s.askForPages(1);
      expect(yield poll.done).toBe(1);
      yield* program.exit();
    });
  });

  it.each([0, 300, 900, 2_000, 5_000])(
    'a device that is given back %i ns after its page request began to be answered gets one answer.',
    (delay) => {
      withBusy(function* (s) {
        yield ns(20_000);
        s.thread(() => api.respond(s.program, s.fd, s.root, 1));
        s.thread(() => api.respond(s.program, s.fd, s.root, 2));
        yield ns(delay);
        yield* s.program.close(s.askerFd);
        yield* s.program.exit();
      });
    },
  );
});
