import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompletionStatus, DmaStatus, dmaTarget, TlpKind } from '../../hardware/pcie/index.ts';
import { ns, type Script, timer } from '../../hardware/sim/index.ts';
import { pattern } from './board.ts';
import { type Asked, RequesterBench } from './requester-bench.ts';

const READ_AREA = 0x4000;
/** Writers have areas of their own, so that their order among each other does not matter. */
const WRITE_AREA = 0x2000;

const job = fc.record({
  write: fc.boolean(),
  address: fc.nat(READ_AREA - 1),
  length: fc.nat(3000),
  after: fc.nat(2000),
});

/** What the other end does about one read: after how long each piece comes, and whether and where it fails. */
const plan = fc.record({
  delays: fc.array(fc.nat(3000), { minLength: 1, maxLength: 5 }),
  boundary: fc.constantFrom(64, 128),
  failure: fc.option(
    fc.record({
      status: fc.constantFrom(CompletionStatus.UNSUPPORTED_REQUEST, CompletionStatus.COMPLETER_ABORT),
      after: fc.nat(3),
    }),
    { nil: undefined, freq: 6 },
  ),
});

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

const SOURCE = pattern(READ_AREA + 3000, 5);

/** Completes a read in pieces, each some time after the one before. */
function* answer(bench: RequesterBench, asked: Asked, { delays, boundary, failure }: Plan): Script<boolean> {
  let sent = 0;
  for (let piece = 0; sent < Math.max(asked.length, 1); piece++) {
    yield ns(delays[piece % delays.length]!);
    if (failure?.after === piece) {
      bench.complete(asked, { status: failure.status, byteCount: Math.max(asked.length, 1) - sent });
      return false;
    }
    const from = asked.address + sent;
    const length = Math.min(Math.max(asked.length, 1) - sent, boundary - (from % boundary));
    bench.complete(asked, {
      data: SOURCE.slice(from, from + length),
      byteCount: Math.max(asked.length, 1) - sent,
    });
    sent += length;
  }
  return true;
}

describe('Any mix of concurrent reads and writes, whatever becomes of the reads,', () => {
  it('brings the right bytes, loses and duplicates nothing, and ends', () => {
    fc.assert(
      fc.property(
        fc.record({
          tags: fc.integer({ min: 1, max: 9 }),
          payload: fc.nat(3),
          readRequest: fc.nat(5),
          credits: fc.record({ PH: fc.integer({ min: 1, max: 4 }), NPH: fc.integer({ min: 1, max: 12 }) }),
          jobs: fc.array(job, { minLength: 1, maxLength: 8 }),
          plans: fc.array(plan, { minLength: 1, maxLength: 7 }),
        }),
        ({ tags, payload, readRequest, credits, jobs, plans }) => {
          const bench = new RequesterBench({ tags, link: { credits } }).program(payload, readRequest);
          const written = new Uint8Array(jobs.length * WRITE_AREA * 4);
          const times = new Uint8Array(written.length);
          /** Failed requests: first address and status. */
          const failed: { start: number; end: number; status: number }[] = [];
          const outstanding = new Set<number>();
          let reads = 0;
          bench.onRequest = (asked) => {
            if (asked.kind === TlpKind.MEMORY_WRITE) {
              written.set(asked.data!, asked.address);
              for (let i = 0; i < asked.length; i++) times[asked.address + i]!++;
              return;
            }
            expect(outstanding.has(asked.tag)).toBe(false);
            outstanding.add(asked.tag);
            expect(outstanding.size).toBeLessThanOrEqual(tags);
            const chosen = plans[reads++ % plans.length]!;
            bench.spawn(
              (function* () {
                const whole = yield* answer(bench, asked, chosen);
                outstanding.delete(asked.tag);
                if (whole) return;
                failed.push({
                  start: asked.address,
                  end: asked.address + asked.length,
                  status: chosen.failure!.status,
                });
              })(),
            );
          };
          const expected = new Uint8Array(written.length);
          const tasks = jobs.map(({ write, address, length, after }, n) => {
            const at = write ? n * WRITE_AREA * 4 + (address % WRITE_AREA) : address;
            const bytes = pattern(length, n);
            if (write) expected.set(bytes, at);
            return bench.spawn(
              (function* () {
                yield timer(bench.engine, ns(after));
                if (write) return { status: yield* bench.dma.write(dmaTarget(at), bytes), data: bytes };
                return yield* bench.dma.read(dmaTarget(at), length);
              })(),
            );
          });
          bench.engine.run();
          expect(Buffer.compare(written, expected)).toBe(0);
          expect(times.every((n) => n <= 1)).toBe(true);
          jobs.forEach(({ write, address, length }, n) => {
            const { status, data } = tasks[n]!.result;
            if (write) {
              expect(status).toBe(DmaStatus.SUCCESS);
              return;
            }
            expect(Buffer.compare(data, SOURCE.subarray(address, address + data.length))).toBe(0);
            if (status === DmaStatus.SUCCESS) expect(data).toHaveLength(length);
            else {
              // A read of nothing that failed failed at its address; any other inside a request that failed.
              const end = address + data.length;
              expect(failed.some((f) => f.start <= end && end <= Math.max(f.end - 1, f.start))).toBe(true);
            }
          });
          const failures = tasks.filter(({ result }) => result.status !== DmaStatus.SUCCESS).length;
          expect(failures > 0).toBe(failed.length > 0);
          expect(failures).toBeLessThanOrEqual(failed.length);
          expect(bench.dma.state).toEqual({ timedOut: 0, unexpected: 0 });
          expect([bench.link.top.pool.taken, bench.engine.pending, bench.dma.transactionsPending]).toEqual([
            0,
            0,
            false,
          ]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('ends each with its bytes, a time-out or RESET when completions are lost and the function is reset', () => {
    fc.assert(
      fc.property(
        fc.record({
          tags: fc.integer({ min: 1, max: 4 }),
          jobs: fc.array(job, { minLength: 1, maxLength: 6 }),
          plans: fc.array(plan, { minLength: 1, maxLength: 5 }),
          lost: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
          reset: fc.nat(6000),
        }),
        ({ tags, jobs, plans, lost, reset }) => {
          const bench = new RequesterBench({ tags, link: { credits: { PH: 2, NPH: 8 } } }).program(0, 1);
          let reads = 0;
          bench.onRequest = (asked) => {
            if (asked.kind === TlpKind.MEMORY_WRITE) return;
            const n = reads++;
            if (!lost[n % lost.length]) bench.spawn(answer(bench, asked, plans[n % plans.length]!));
          };
          const ask = (after: number, address: number, length: number) =>
            bench.spawn(
              (function* () {
                yield ns(after);
                return yield* bench.dma.read(dmaTarget(address), length);
              })(),
            );
          const tasks = jobs.map(({ after, address, length }) => ask(after, address, length));
          timer(bench.engine, ns(reset)).wake({ handle: () => bench.dma.reset() });
          bench.engine.run();
          jobs.forEach(({ address, length }, n) => {
            const { status, data } = tasks[n]!.result;
            if (status === DmaStatus.SUCCESS) expect(data).toHaveLength(length);
            expect(Buffer.compare(data, SOURCE.subarray(address, address + data.length))).toBe(0);
          });
          // All tags come back: one more read that is answered ends well.
          bench.onRequest = (asked) =>
            bench.spawn(answer(bench, asked, { delays: [1], boundary: 64, failure: undefined }));
          const last = ask(0, 0x100, 2000);
          bench.engine.run();
          expect(last.result).toEqual({ status: DmaStatus.SUCCESS, data: SOURCE.slice(0x100, 0x100 + 2000) });
          expect([bench.link.top.pool.taken, bench.engine.pending]).toEqual([0, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
