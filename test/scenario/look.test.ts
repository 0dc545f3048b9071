import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { Run, type Stage, scenario } from '../../src/scenario/index.ts';
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import type { Program } from '../../src/user/index.ts';

const PAGE = 0x1000;
const IOVA = 0x20_0000n;
const { READ, WRITE } = IoasidMapFlag;

interface Made {
  readonly app: Program;
  readonly fd: number;
  readonly ioasid: number;
  readonly vaddr: bigint;
}

/** Runs `body` when dma0 may read two pages at IOVA, and write one behind a gap; gives what was noted. */
function withTables(machine: string, body: (s: Stage, made: Made) => Script): string[] {
  const notes: string[] = [];
  const story = scenario({
    name: 'test',
    title: 'Test',
    *run(s) {
      const app = s.process('app');
      const device = yield* app.open('/dev/vfio/devices/dma0');
      const fd = yield* app.open('/dev/ioasid');
      yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd });
      const ioasid = yield* app.ioctl(fd, IOASID_ALLOC);
      yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
      const vaddr = yield* app.mmap(3 * PAGE);
      const readable = { ioasid, flags: READ, vaddr, iova: IOVA, size: 0x2000n };
      const writable = { ioasid, flags: READ | WRITE, vaddr: vaddr + 0x2000n, iova: IOVA + 0x8000n, size: 0x1000n };
      for (const mapping of [readable, writable]) expect(yield* app.ioctl(fd, IOASID_MAP_DMA, mapping)).toBe(0);
      yield* body(s, { app, fd, ioasid, vaddr });
    },
  });
  const run = new Run(story, { machine });
  run.recorder.on('note', ({ text }) => notes.push(text));
  expect(run.finish().error).toBeUndefined();
  return notes;
}

const names = (entries: readonly { readonly what: string }[]) => entries.map(({ what }) => what);

describe('what a story may look at', () => {
  it('is each entry on the way to an address, and the word of each page of a run', () => {
    withTables('intel-legacy', function* (s, { app, vaddr }) {
      const { device, stages } = s.look.tables('dma0', IOVA + 0x1000n);
      expect(names(device)).toEqual(['root entry', 'context entry']);
      expect(stages.map(({ entries }) => names(entries))).toEqual([['SS-PML4E', 'SS-PDPE', 'SS-PDE', 'SS-PTE']]);
      const leaf = stages[0]!.entries.at(-1)!;
      const frame = s.look.physical(app, vaddr + 0x1000n)!;
      // The second word of the table: R is bit 0, W bit 1 (VT-d 9.8).
      expect(leaf.address % 0x1000).toBe(8);
      expect(leaf.value).toBe(frame | 1n);
      expect(s.look.word(leaf.address)).toBe(leaf.value);
      expect(stages[0]!.page).toEqual({ to: frame, read: true, write: false });
      expect(s.look.tables('dma0', IOVA + 0x8000n).stages[0]!.entries.at(-1)!.value & 3n).toBe(3n);
    });
  });

  it('has the bits of the other vendor on its machines', () => {
    // biome-ignore lint/correctness/useYield: nothing to wait for
    withTables('amd-v1', function* (s, { app, vaddr }) {
      const { device, stages } = s.look.tables('dma0', IOVA + 0x8000n);
      expect(names(device)).toEqual(['DTE']);
      const { value } = stages[0]!.entries.at(-1)!;
      const frame = s.look.physical(app, vaddr + 0x2000n);
      // PR is bit 0, IR bit 61, IW bit 62.
      expect(value & 1n).toBe(1n);
      expect(value >> 61n).toBe(3n);
      expect(value & 0xf_ffff_ffff_f000n).toBe(frame);
    });
  });

  it('ends where an entry is empty, and is nothing for a device that leads nowhere', () => {
    withTables('intel-legacy', function* (s, { app, vaddr }) {
      const [stage] = s.look.tables('dma0', IOVA + 0x4000n).stages;
      expect(names(stage!.entries)).toEqual(['SS-PML4E', 'SS-PDPE', 'SS-PDE']);
      expect(stage!.page).toBeNull();
      expect(s.look.tables('dma1', IOVA).stages.filter(({ page }) => page !== null)).toEqual([]);
      expect(s.look.physical(app, vaddr + 0x10_0000n)).toBeUndefined();
      expect(() => s.look.tables('dma9', IOVA)).toThrow('There is no device "dma9".');
      expect(() => s.look.word(2 ** 45)).toThrow('There is no RAM at 0x200000000000.');
    });
  });

  it('is what is charged to a process, and looking changes nothing', () => {
    // biome-ignore lint/correctness/useYield: nothing to wait for
    withTables('intel-scalable', function* (s, { app, vaddr }) {
      const before = s.machine.digest();
      expect(s.look.locked(app)).toBe(3);
      s.look.tables('dma0', IOVA);
      s.look.physical(app, vaddr);
      expect(s.machine.digest()).toBe(before);
    });
  });
});

describe('a call that is told', () => {
  it('is noted with its result, the words that it changed, registers and caches', () => {
    let leaf = 0;
    const notes = withTables('intel-legacy', function* (s, { app, fd, ioasid }) {
      leaf = s.look.tables('dma0', IOVA).stages[0]!.entries.at(-1)!.address;
      const call = app.ioctl(fd, IOASID_UNMAP_DMA, { ioasid, iova: IOVA, size: 0x2000n });
      expect(yield* s.told('unmap', call, { devices: ['dma0'], address: IOVA })).toBe(0);
    });
    const word = `dma0’s SS-PTE at 0x${leaf.toString(16)} is 0x0`;
    const commands = 'queued: iotlb_inv_dsc, inv_wait_dsc';
    expect(notes).toEqual([`unmap = 0: ${word}; registers written: IQT_REG; ${commands}; invalidated: IOTLB.`]);
  });

  it('is noted with the fields of a device’s own entry, and tells nothing that another device had before', () => {
    let entry = 0;
    let table = 0n;
    const notes = withTables('intel-legacy', function* (s, { app, fd, ioasid }) {
      const device = yield* app.open('/dev/vfio/devices/dma1');
      const bind = app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd });
      yield* s.told('bind', bind, { devices: ['dma1'], address: IOVA });
      yield* s.told('attach', app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), { devices: ['dma1'], address: IOVA });
      const { device: entries } = s.look.tables('dma1', IOVA);
      entry = entries.at(-1)!.address;
      table = entries.at(-1)!.value & 0xf_ffff_ffff_f000n;
      yield* s.told('close', app.close(device), { devices: ['dma1'], address: IOVA });
    });
    const at = `dma1’s context entry at 0x${entry.toString(16)}`;
    expect(notes.slice(0, 2)).toEqual([
      'bind = 0: configuration space written: dma1.',
      `attach = 0: ${at} says P SSPTPTR=0x${table.toString(16)} AW=2 (BITS_48) DID=1.`,
    ]);
    expect(notes[2]).toMatch(`close = 0: ${at} is 0x0; configuration space written: dma1; registers written: IQT_REG`);
  });

  it('is noted with the messages to a device that keeps translations', () => {
    const notes: string[] = [];
    const story = scenario({
      name: 'test',
      title: 'Test',
      kernel: { trustDevices: true },
      hardware: {
        rootPorts: [{ name: 'port0', at: '00:1c.0' }],
        switches: [],
        bridges: [],
        devices: [{ name: 'dma0', model: 'dma-engine', at: 'port0:00.0', deviceTlb: { sets: 4, ways: 4 } }],
      },
      *run(s) {
        const app = s.process('app');
        const device = yield* app.open('/dev/vfio/devices/dma0');
        const fd = yield* app.open('/dev/ioasid');
        yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd });
        const ioasid = yield* app.ioctl(fd, IOASID_ALLOC);
        yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
        const vaddr = yield* app.mmap(PAGE);
        yield* app.ioctl(fd, IOASID_MAP_DMA, { ioasid, flags: READ, vaddr, iova: IOVA, size: 0x1000n });
        yield* s.told('unmap', app.ioctl(fd, IOASID_UNMAP_DMA, { ioasid, iova: IOVA, size: 0x1000n }));
      },
    });
    const run = new Run(story, { machine: 'amd-full' });
    run.recorder.on('note', ({ text }) => notes.push(text));
    expect(run.finish().error).toBeUndefined();
    const commands = 'queued: INVALIDATE_IOMMU_PAGES, INVALIDATE_IOTLB_PAGES, COMPLETION_WAIT';
    expect(notes).toEqual([
      `unmap = 0: registers written: Command Buffer Tail; ${commands}; invalidated: IOTLB; sent: InvReq to dma0.`,
    ]);
  });

  it('is noted with its errno, and that hardware noticed nothing', () => {
    const notes = withTables('intel-legacy', function* (s, { app, fd }) {
      yield* s.told('unmap', app.ioctl(fd, IOASID_UNMAP_DMA, { ioasid: 77, iova: IOVA, size: 0x2000n }));
    });
    expect(notes).toEqual(['unmap = -22 (EINVAL): hardware notices nothing.']);
  });
});
