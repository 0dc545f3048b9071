/** What a machine may say of its memory, seen by the DMA of a process. */
import { describe, expect, it } from 'vitest';
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  scenario,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { Shares } from '../../src/recorder/index.ts';
import { Run } from '../../src/scenario/index.ts';

const IOVA = 0x1000n;

const story = scenario({
  name: 'memory',
  title: 'A device reads what a process has written, and writes',
  *run(s) {
    const app = s.process('app');
    const device = yield* app.open('/dev/vfio/devices/dma0');
    const ioasids = yield* app.open('/dev/ioasid');
    yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
    const vaddr = yield* app.mmap(4096);
    app.write(vaddr, new Uint8Array(64).fill(7));
    const flags = IoasidMapFlag.READ | IoasidMapFlag.WRITE;
    yield* app.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags, vaddr, iova: IOVA, size: 4096n });
    const engine = yield* s.dmaEngine(app, device);
    s.expect('The device has it.', yield* engine.read(IOVA, 2), { ok: true, data: Uint8Array.of(7, 7) });
    yield* engine.write(IOVA, Uint8Array.of(1, 2));
    s.expect('And the process has what the device has written.', [...app.read(vaddr, 2)], [1, 2]);
  },
});

/** Nanoseconds of walks and of memory for the read, whose translation is the first, and of memory for the write. */
function timesOf(memory: object, iommu: object = {}) {
  const run = new Run(story, { machine: { preset: 'intel-legacy', memory, iommu } });
  const shares = new Shares();
  run.source.watch(shares);
  expect(run.finish().ok).toBe(true);
  const of = (kind: string) => shares.kinds.find((one) => one.kind === kind)!.milestones;
  const [read, write] = [of('DMA read'), of('DMA write')];
  return { walk: read.walk! / 1000, read: read.memory! / 1000, write: write.memory! / 1000 };
}

const CACHE = { kibibytes: 1024, ways: 16, deviceWays: 2, latency: 20, allocate: 0 };
/** Nanoseconds of a line that DRAM takes longer for: its latency and its transfer, or the cache's. */
const SAVED = 90 + 64 / 23 - CACHE.latency;
/** Accesses to tables are snooped (ECAP.C). */
const SNOOPED = { ecap: '0xf00f4b' };
/** Root and context entry, and four levels of tables. */
const READS_OF_A_WALK = 6;

describe('The memory of a machine', () => {
  /** Another socket of which there is nothing: whole lines are transferred, and all else is as without it. */
  const plain = timesOf({ otherSocket: { share: 0, hop: 0 } });

  it('has a last-level cache, where it says so, with what processes have written and devices write', () => {
    const { read, write } = timesOf({ lastLevelCache: CACHE });
    expect(plain.read - read).toBeCloseTo(SAVED, -1);
    expect(plain.write - write).toBeCloseTo(SAVED, -1);
  });

  it('has tables of the kernel there, too, for an IOMMU that snoops', () => {
    expect(timesOf({ lastLevelCache: CACHE }).walk).toBeCloseTo(plain.walk, -1);
    const { walk } = timesOf({ lastLevelCache: CACHE }, SNOOPED);
    expect(plain.walk - walk).toBeCloseTo(READS_OF_A_WALK * SAVED, -1);
  });

  it('is a hop further at another socket, for each access', () => {
    const far = timesOf({ otherSocket: { share: 1, hop: 54 } });
    expect(far.read - plain.read).toBeCloseTo(54, -1);
    expect(far.walk - plain.walk).toBeCloseTo(READS_OF_A_WALK * 54, -1);
  });

  it('transfers lines on channels of a part of the bandwidth each', () => {
    const { read } = timesOf({ channels: 4 });
    expect(read - plain.read).toBeCloseTo((64 * 4) / 23 - 64 / 23, -1);
  });

  it('is counted: lines that the cache had, that it had not, and that went back', () => {
    const snapshot = (memory: object) => {
      const machine = buildMachine({ memory });
      machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
      return machine.snapshot()['memory'];
    };
    expect(Object.keys(snapshot({}) as object)).toEqual(['accesses', 'bytes']);
    expect(snapshot({ lastLevelCache: CACHE })).toMatchObject({ writtenBack: 0, cacheHits: expect.any(Number) });
  });

  it.each([
    [
      { lastLevelCache: { ...CACHE, deviceWays: 17 } },
      'machine.memory.lastLevelCache.deviceWays: expected no more than the ways of the cache (lastLevelCache.ways), got 17.',
    ],
    [
      { otherSocket: { share: 2, hop: 1 } },
      'machine.memory.otherSocket.share: expected a number of parts of the whole from 0 to 1, got 2.',
    ],
    [
      { banks: { count: 8, rowBytes: 32, busy: 45 } },
      'machine.memory.banks.rowBytes: expected 64 bytes, a line, or more, got 32.',
    ],
    [{ channels: 0 }, 'machine.memory.channels: expected a whole number from 1 to 64, got 0.'],
  ])('%j is refused in one sentence', (memory, sentence) => {
    expect(() => buildMachine({ memory } as never)).toThrow(sentence);
  });
});
