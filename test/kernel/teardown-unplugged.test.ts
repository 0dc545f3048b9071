/**
 * Devices that are pulled out while they work (surprise removal): nobody waits for them for ever, not even for their word that they
 * have forgotten a translation (CVE-2026-43161), and what their programs had goes back when the port above them says, by its
 * interrupt, that they have gone. The link is down from the moment on, and everything that was on it is lost.
 */
import { describe, expect, it } from 'vitest';
import { MessageCode } from '../../hardware/pcie/spec/index.ts';
import { ms, ns, type Script, us } from '../../hardware/sim/index.ts';
import { EIO, ENODEV, ENOENT } from '../../src/uapi/index.ts';
import { DmaEngineDriver } from '../../src/user/index.ts';
import { DEVICE } from './fault-queue-bench.ts';
import { PAGE } from './machine-bench.ts';
import { Busy, GIOVA, GPA, NOWHERE, VENDORS } from './teardown-bench.ts';
import { PERSONALITIES } from './teardown-personalities.ts';

const K4 = BigInt(PAGE);

const CASES = VENDORS.flatMap(([vendor, make]) => PERSONALITIES.map((api) => [vendor, api.path, make, api] as const));

describe.each(CASES)('On %s, with %s, a device that is pulled out', (_, __, make, api) => {
  /** Runs a body with a program whose devices work, or are `idle`. */
  function busy(body: (s: Busy) => Script, idle = false): Busy {
    const s = new Busy(make(), api);
    s.bench.run(
      (function* () {
        yield* s.start({ idle });
        yield ns(5_000);
        yield* body(s);
      })(),
    );
    return s;
  }

  it.each(['device', 'spaces', 'process'])('is let go of by its program, which gives up first its %s.', (first) => {
    const s = busy(function* ({ program, bench, fd, askerFd }) {
      yield* program.readFile(fd, PAGE);
      const began = bench.engine.now;
      if (first === 'device') yield* program.close(askerFd);
      if (first === 'spaces') yield* program.close(fd);
      yield* program.exit();
      // Nobody has waited for its answers.
      expect(bench.engine.now - began).toBeLessThan(ms(1));
    });
    s.expectNothingLeft();
  });

  it.each(['device', 'spaces', 'process'])(
    'is let go of without its word: the program gives up first its %s.',
    (first) => {
      const s = busy(function* (one) {
        const { program, bench, fd, askerFd } = one;
        yield* one.pullOut();
        const began = bench.engine.now;
        if (first === 'device') yield* program.close(askerFd);
        if (first === 'spaces') yield* program.close(fd);
        yield* program.exit();
        expect(bench.engine.now - began).toBeLessThan(ms(1));
      });
      s.expectNothingLeft();
    },
  );

  it('cannot be opened, bound or attached again; the other device of its program works on.', () => {
    const s = busy(function* (one) {
      const { program, fd, askerFd, plainFd } = one;
      const spare = yield* program.open(DEVICE);
      yield* one.pullOut();
      expect(yield* program.open(DEVICE)).toBe(-ENOENT);
      expect(yield* api.detach(program, askerFd, fd, one.root)).toBe(0);
      expect(yield* api.attach(program, askerFd, fd, one.root)).toBe(-ENODEV);
      yield* program.close(askerFd);
      // The thread that still used it gives it up with its call.
      yield ns(200_000);
      expect(yield* api.bind(program, spare, fd, 1n)).toBe(-ENODEV);
      const { count } = one.writes;
      yield ns(50_000);
      expect(one.writes.count).toBeGreaterThan(count);
      expect(yield* api.detach(program, plainFd, fd, one.child)).toBe(0);
      yield* program.exit();
    });
    s.expectNothingLeft();
  });

  it.each(Array.from({ length: 12 }, (_, n) => n * 173))(
    'with DMA under way, %d ns after its last write began, leaves nothing behind.',
    (after) => {
      const s = busy(function* (one) {
        const { program, writes } = one;
        const { count } = writes;
        while (writes.count === count) yield ns(20);
        yield ns(after);
        yield* one.pullOut();
        yield* program.exit();
      });
      s.expectNothingLeft();
    },
  );

  it('while it waits for a page that it has asked for itself gets no answer, and its program all that it had.', () => {
    const s = busy(function* (one) {
      const { program, bench, fd, askerFd, plainFd } = one;
      const messages: number[] = [];
      bench.slot!.probe = (tlp) => void (tlp.isMessage && messages.push(tlp.messageCode));
      one.work(program, plainFd, GIOVA);
      one.thread(function* () {
        const engine = yield* DmaEngineDriver.open(program, askerFd);
        if (typeof engine === 'number') throw new Error('there is no driver');
        yield* engine.write(BigInt(NOWHERE), Uint8Array.of(1), { requestPages: true });
      });
      for (let n = 0; n < 1000 && !messages.includes(MessageCode.PAGE_REQUEST); n++) yield us(1);
      yield us(20);
      expect(messages).toContain(MessageCode.PAGE_REQUEST);
      expect(messages).not.toContain(MessageCode.PAGE_REQUEST_GROUP_RESPONSE);
      yield* one.pullOut();
      expect(yield* program.readFile(fd, PAGE)).toBeInstanceOf(Uint8Array);
      yield* program.close(askerFd);
      yield* program.exit();
    }, true);
    s.expectNothingLeft();
  });

  it('in the middle of an unmap holds it up until the port says so, and not for ever.', () => {
    const s = busy(function* (one) {
      const { program, bench, fd, root } = one;
      yield* one.pullOutSilently();
      const range = { ioasid: root, iova: GPA, size: 8n * K4 };
      const unmapping = bench.engine.spawn(api.unmap(program, fd, range));
      yield ns(20_000);
      expect(unmapping.ended).toBe(false);
      yield* one.letPortTell();
      expect(yield unmapping.done).toBe(0);
      yield* program.exit();
    }, true);
    s.expectNothingLeft();
  });

  it('and of which nobody says that it has gone costs the memory that it may still reach, and no more.', () => {
    const s = busy(function* (one) {
      const { program, bench, fd, root, askerFd, plainFd } = one;
      yield* one.pullOutSilently();
      expect(yield* api.unmap(program, fd, { ioasid: root, iova: GPA, size: 8n * K4 })).toBe(-EIO);
      yield* program.close(askerFd);
      yield* program.close(plainFd);
      yield* program.exit();
      expect(bench.kernel.log.toString()).toContain('does not answer invalidations');
    }, true);
    const { pages, log } = s.bench.kernel;
    expect(pages.pinned).toBe(8);
    expect(log.toString()).toContain('which are never used again');
    expect(s.writes.strays).toEqual([]);
  });
});
