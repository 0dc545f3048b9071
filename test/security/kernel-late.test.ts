/**
 * Devices that answer invalidations late or never (XSA-373, CVE-2026-43161, CVE-2026-43130): a careless driver that
 * gives up waiting and goes on with the same status word, one that waits without end, and one that believes a
 * completion; and what ours does with the same devices.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { DeviceMessage } from '../../hardware/iommu/index.ts';
import { ms, ns, type Script, us } from '../../hardware/sim/index.ts';
import { DEFAULT_COSTS, type KernelCosts } from '../../src/kernel/index.ts';
import { EIO } from '../../src/uapi/index.ts';
import { AmdBench } from '../kernel/amd-bench.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import {
  byteOf,
  type Drive,
  domainOf,
  drive,
  keeper,
  type OwnDomain,
  ok,
  POISON,
  poisons,
  reads,
  SECRET,
  SUBJECTS,
  submitByHand,
  victimOf,
} from './careless.ts';

const RW = { read: true, write: true };
const PAGES = [0x10, 0x11] as const;
const [FIRST, SECOND] = [PAGES[0] * PAGE_SIZE, PAGES[1] * PAGE_SIZE];

interface Lent {
  readonly device: Drive;
  readonly domain: OwnDomain;
  readonly frames: readonly number[];
}

/** A device that has translations of two pages, a buffer each. */
function* lendTwo(bench: MachineBench): Script<Lent> {
  const device = yield* drive(bench, 'keeper');
  const { driver } = device;
  ok(yield* driver.permit({ ats: true }));
  const domain = yield* domainOf(device);
  const frames: number[] = [];
  for (const page of PAGES) {
    const buffer = ok(driver.memory.allocate(1));
    frames.push(buffer.frames[0]!);
    ok(yield* driver.map(domain, page, buffer, RW));
  }
  ok(yield* driver.attach(domain));
  for (const at of [FIRST, SECOND]) yield* device.dma.write(BigInt(at), Uint8Array.of(0));
  yield us(5);
  return { device, domain, frames };
}

/** What the unit tells devices waits here until it is let go on. */
function holdBack({ unit }: MachineBench): { readonly held: DeviceMessage[]; next(): void } {
  const deliver = unit.devices.taker!;
  const held: DeviceMessage[] = [];
  unit.devices.taker = (message) => void held.push(message);
  return { held, next: () => deliver(held.shift()!) };
}

/** An invalidation of one page of the device's TLB, and of all that the unit has; then a wait that writes 1. */
function flushByHand(bench: MachineBench, { driver }: Drive, address: number, status: number): void {
  const rid = BigInt(driver.device.rid);
  const isAmd = bench instanceof AmdBench;
  const commands = isAmd
    ? [
        [8n << 60n, 0n],
        [(4n << 60n) | (rid << 32n) | (32n << 24n) | rid, BigInt(address)],
        [(1n << 60n) | BigInt(status) | 1n, 1n],
      ]
    : [
        [0x12n, 0n],
        [(rid << 32n) | 0x3n, BigInt(address)],
        [(1n << 32n) | 0x25n, BigInt(status)],
      ];
  bench.memory.write64(status, 0n);
  submitByHand(bench, commands);
}

const isDone = ({ memory }: MachineBench, status: number) => (memory.read64(status) & 0xffn) === 1n;

/** Looks at the status for so long. */
function* isDoneWithin(bench: MachineBench, status: number, nanoseconds: number): Script<boolean> {
  for (let waited = 0; waited < nanoseconds && !isDone(bench, status); waited += 100) yield ns(100);
  return isDone(bench, status);
}

const PATIENCE = 20_000;

function withCosts(bench: MachineBench, costs: Partial<KernelCosts>): void {
  Object.assign(bench.bus, { cost: { ...DEFAULT_COSTS, ...costs } });
}

describe.each(SUBJECTS.filter(({ ats }) => ats))(
  'On $name a device that answers after the driver has given up',
  (subject) => {
    it('answers for the next page too, where the status word is the same: it is given away too early', () => {
      const bench = subject.make(keeper).boot();
      bench.run(
        (function* () {
          const { device, domain, frames } = yield* lendTwo(bench);
          const late = holdBack(bench);
          const status = bench.kernel.allocator.allocate('status') * PAGE_SIZE;
          yield* domain.unmap(PAGES[0], 1);
          flushByHand(bench, device, FIRST, status);
          // The first page is given up for lost.
          expect(yield* isDoneWithin(bench, status, PATIENCE)).toBe(false);
          yield* domain.unmap(PAGES[1], 1);
          flushByHand(bench, device, SECOND, status);
          late.next();
          expect(yield* isDoneWithin(bench, status, PATIENCE)).toBe(true);
          // It was the answer for the first.
          bench.kernel.allocator.release(frames[1]!);
          victimOf(bench, frames[1]!);
          yield* poisons(device, SECOND);
          yield us(5);
          expect(byteOf(bench, frames[1]!)).toBe(POISON);
        })(),
      );
    });

    it('is too late for our kernel, which believes nothing of this unit any more and keeps both pages', () => {
      const bench = subject.make(keeper).boot();
      withCosts(bench, { hardwareTimeout: PATIENCE });
      bench.run(
        (function* () {
          const { device, domain } = yield* lendTwo(bench);
          const late = holdBack(bench);
          expect(yield* device.driver.unmap(domain, PAGES[0], 1)).toBe(-EIO);
          const second = bench.engine.spawn(device.driver.unmap(domain, PAGES[1], 1));
          yield us(5);
          late.next();
          yield ns(2 * PATIENCE);
          expect(second.result).toBe(-EIO);
          // Who has the device cannot get rid of it, and none of its memory goes to anybody else.
          const held = bench.kernel.allocator.inUse['driver memory'];
          expect(yield* device.driver.release()).toBe(-EIO);
          expect(bench.kernel.allocator.inUse['driver memory']).toBe(held);
        })(),
      );
    });

    it('has time enough where the kernel is patient: the pages are taken back one by one', () => {
      const bench = subject.make(keeper).boot();
      bench.run(
        (function* () {
          const { device, domain, frames } = yield* lendTwo(bench);
          const late = holdBack(bench);
          for (const [i, page] of PAGES.entries()) {
            const task = bench.engine.spawn(device.driver.unmap(domain, page, 1));
            yield ns(2 * PATIENCE);
            expect(task.ended).toBe(false);
            late.next();
            yield us(20);
            expect(task.result).toBe(0);
            bench.kernel.allocator.release(frames[i]!);
            victimOf(bench, frames[i]!);
          }
          bench.unit.devices.taker = null;
          for (const at of [FIRST, SECOND]) yield* poisons(device, at);
          yield us(5);
          expect(frames.map((frame) => byteOf(bench, frame))).toEqual([SECRET, SECRET]);
        })(),
      );
    });
  },
);

describe.each(SUBJECTS.filter(({ ats }) => ats))('On $name a device that is pulled out', (subject) => {
  const isVtd = subject.name.startsWith('VT-d');

  it(
    isVtd
      ? 'never lets a wait behind its invalidation complete: a driver that waits for the status waits for ever'
      : 'lets a wait behind its invalidation complete, although it has forgotten nothing',
    () => {
      const bench = subject.make(keeper).boot();
      bench.run(
        (function* () {
          const { device, domain } = yield* lendTwo(bench);
          const status = bench.kernel.allocator.allocate('status') * PAGE_SIZE;
          bench.links.at(-1)!.goDown();
          yield* domain.unmap(PAGES[0], 1);
          flushByHand(bench, device, FIRST, status);
          yield ms(1000);
          expect(isDone(bench, status)).toBe(!isVtd);
        })(),
      );
    },
  );

  it('costs our kernel a bounded time, and no other device anything', () => {
    const bench = subject.make(keeper).boot();
    // The unit waits for milliseconds: fewer looks at it are enough.
    withCosts(bench, { pollLongest: 100_000 });
    bench.run(
      (function* () {
        const { device, domain } = yield* lendTwo(bench);
        const other = yield* drive(bench, 'dev1');
        const others = yield* domainOf(other);
        const buffer = ok(other.driver.memory.allocate(1));
        ok(yield* other.driver.map(others, PAGES[0], buffer, RW));
        ok(yield* other.driver.attach(others));
        bench.links.at(-1)!.goDown();
        const before = bench.engine.now;
        expect(yield* device.driver.unmap(domain, PAGES[0], 1)).toBe(-EIO);
        // Its driver goes: what nobody has heard the device forget stays as it is.
        expect(yield* device.driver.release()).toBe(-EIO);
        expect(bench.engine.now - before).toBeLessThan(ms(100));
        expect(yield* reads(other, FIRST)).toBe(0);
        expect(yield* other.driver.unmap(others, PAGES[0], 1)).toBe(0);
        expect(yield* reads(other, FIRST)).toBe('refused');
        expect(yield* other.driver.release()).toBe(0);
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('does not answer invalidations');
  });
});
