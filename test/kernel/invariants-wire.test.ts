/** Invariants of the proposal (sheet 5.5) about what goes to devices over the wire: each test is named after one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { NO_PASID } from '../../src/kernel/iommu/attachments.ts';
import {
  IOASID_ALLOC,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_INVALIDATE_CACHE,
  IOASID_MAP_DMA,
  IOMMU_INVALIDATE_CACHE,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
} from '../../src/uapi/index.ts';
import type { Program } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { listening, pciDevice, VENDORS } from './fault-queue-bench.ts';
import { type MachineBench, type MachineOptions, PAGE, RW } from './machine-bench.ts';
import { requestsUnder } from './page-request-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { Version2 } from './v2-bench.ts';

const K4 = BigInt(PAGE);
const REQUESTERS = [0x0020, 0x0028, 0x0030];
const NAMES = ['tlb0', 'tlb1', 'tlb2'];
/** Two levels of nothing: where the top table is says enough here. */
const GPA = 0x4000_0000n;

const withDeviceTlbs: MachineOptions = {
  kernel: { trustDevices: true },
  more: (engine) =>
    REQUESTERS.map(
      (requester, i) =>
        new DmaEngine(engine, { ...DMA_ENGINE, name: NAMES[i]!, requester, deviceTlb: { sets: 4, ways: 4 } }),
    ),
};

const MACHINES: readonly (readonly [string, () => MachineBench])[] = [
  ['VT-d', () => scalableBench(withDeviceTlbs)],
  ['AMD-Vi', () => AmdBench.up({ efr: GUEST_EFR, ...withDeviceTlbs })],
];

/** Requesters that were told to forget something since the last look. */
function watching({ unit }: MachineBench): () => number[] {
  let told = new Set<number>();
  unit.devices.taker = (message) => {
    if (message.kind === 'invalidate') told.add(message.requester);
  };
  return () => {
    const all = [...told].sort((a, b) => a - b);
    told = new Set();
    return all;
  };
}

/** The user's table leads page 0 to a page: its tables are pages 0 to 3, and data stands behind them. */
function lead(program: Program, memory: bigint, page: number): void {
  const entry = (at: bigint, target: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, (GPA + BigInt(target) * K4) | 0x67n, true);
    program.write(at, bytes);
  };
  for (let level = 0; level < 3; level++) entry(memory + BigInt(level) * K4, level + 1);
  entry(memory + 3n * K4, page);
}

describe.each(MACHINES)(
  '12. An invalidation of a space reaches the IOTLB and the TLB of every device attached, on %s:',
  (_, up) => {
    it('version 2.', () => {
      const bench = up();
      const told = watching(bench);
      bench.run(
        (function* () {
          const s = yield* new Version2(bench).begin(0);
          for (const [i, name] of NAMES.entries()) {
            const fd = yield* s.program.open(`/dev/vfio/devices/${name}`);
            const bind = { iommu_fd: s.iommuFd, cookie: BigInt(i) };
            expect(yield* s.program.ioctl(fd, VFIO_BIND_IOMMU_FD, bind)).toBe(0);
            s.deviceFds.push(fd);
          }
          const memory = yield* s.memory(Uint8Array.of(), 6 * PAGE);
          for (const page of [4, 5]) s.program.write(memory + BigInt(page) * K4, Uint8Array.of(page));
          lead(s.program, memory, 4);
          const root = yield* s.alloc();
          expect(yield* s.map(root, GPA, memory, 6n * K4)).toBe(0);
          const user = yield* s.alloc({ flags: 1, type: 0, format: 1, addr_width: 48, addr: GPA, parent_ioasid: root });
          // A plain device and two with device-TLBs are there, and a third is not.
          for (const device of [0, 1, 2]) {
            expect(yield* s.attach(device, root)).toBe(0);
            expect(yield* s.attach(device, user)).toBe(0);
          }
          expect(yield* s.attach(3, root)).toBe(0);
          const engine = yield* s.engine(0);
          expect(yield* engine.read(0n, 1)).toMatchObject({ data: Uint8Array.of(4) });
          lead(s.program, memory, 5);
          expect(yield* engine.read(0n, 1), 'the IOTLB has it').toMatchObject({ data: Uint8Array.of(4) });
          told();
          const range = { granularity: 2, addr: 0n, granule_size: K4, nb_granules: 1n };
          const forget = { child_ioasid: user, cache: 1 };
          expect(yield* s.program.ioctl(s.iommuFd, IOMMU_INVALIDATE_CACHE, { ...forget, ...range })).toBe(0);
          expect(told()).toEqual([REQUESTERS[0], REQUESTERS[1]]);
          expect(yield* engine.read(0n, 1)).toMatchObject({ data: Uint8Array.of(5) });
          expect(yield* s.program.ioctl(s.iommuFd, IOMMU_INVALIDATE_CACHE, forget)).toBe(0);
          expect(told()).toEqual([REQUESTERS[0], REQUESTERS[1]]);
          expect(yield* s.detach(1, user)).toBe(0);
          told();
          expect(yield* s.program.ioctl(s.iommuFd, IOMMU_INVALIDATE_CACHE, forget)).toBe(0);
          expect(told(), 'who is left').toEqual([REQUESTERS[1]]);
          yield* s.program.exit();
        })(),
      );
    });

    it('version 1.', () => {
      const bench = up();
      const told = watching(bench);
      bench.run(
        (function* () {
          const program = bench.program();
          const ioasid_fd = yield* program.open('/dev/ioasid');
          const ioasid = yield* program.ioctl(ioasid_fd, IOASID_ALLOC);
          const memory = yield* program.mmap(6 * PAGE);
          lead(program, memory, 4);
          const fds: number[] = [];
          for (const name of NAMES.slice(0, 2)) {
            fds.push(yield* program.open(`/dev/vfio/devices/${name}`));
            expect(yield* program.ioctl(fds.at(-1)!, VFIO_BIND_IOASID_FD, { ioasid_fd })).toBe(0);
            expect(yield* program.ioctl(fds.at(-1)!, VFIO_ATTACH_IOASID, { ioasid })).toBe(0);
          }
          const range = { vaddr: memory, iova: GPA, size: 6n * K4 };
          expect(yield* program.ioctl(ioasid_fd, IOASID_MAP_DMA, { ioasid, flags: RW, ...range })).toBe(0);
          const child = yield* program.ioctl(ioasid_fd, IOASID_CREATE_NESTING, { parent_ioasid: ioasid });
          for (const fd of fds) expect(yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
          const table = { child_ioasid: child, addr: GPA, vendor: 1, address_width: 48 };
          expect(yield* program.ioctl(ioasid_fd, IOASID_BIND_PGTABLE, table)).toBe(0);
          for (const what of [{}, { granularity: 1, iova: 0n, size: K4 }]) {
            told();
            expect(yield* program.ioctl(ioasid_fd, IOASID_INVALIDATE_CACHE, { child_ioasid: child, ...what })).toBe(0);
            expect(told()).toEqual([REQUESTERS[0], REQUESTERS[1]]);
          }
          yield* program.exit();
        })(),
      );
    });
  },
);

/** What happens to page requests: one is asked (a group number), the oldest or any is answered, read, or nothing can be. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('ask' as const), last: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('answer' as const), number: fc.nat(12), code: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('read' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('detach' as const, 'attach' as const) }) },
);
const ending = fc.constantFrom('close device', 'close context', 'exit', 'detach' as const);

it.each(VENDORS)(
  '13. Every reported page request gets exactly one response on the wire, also after detach and close, on %s.',
  (_, make) => {
    const property = fc.property(fc.array(happening, { maxLength: 25 }), ending, (happenings, end) => {
      const listener = listening(make);
      const { bench, program, deviceFds, iommuFd } = listener;
      const asked: number[] = [];
      const run = (script: Script<unknown>) => void bench.run(script);
      const ask = (group: number, last: boolean) =>
        requestsUnder(NO_PASID)(bench, pciDevice(bench), { group, last, address: 0x40_0000 + group * PAGE });
      for (const one of happenings) {
        if (one.what === 'ask') {
          const group = asked.length;
          asked.push(group);
          // Several pages of one group have one response.
          if (!one.last) ask(group, false);
          ask(group, true);
          bench.engine.run();
        } else if (one.what === 'answer') run(listener.respond({ group: one.number, code: one.code }));
        else if (one.what === 'read') run(listener.faults());
        else if (one.what === 'detach') run(listener.detach(0, listener.ioasid));
        else run(listener.attach(0, listener.ioasid));
      }
      if (end === 'close device') run(program.close(deviceFds[0]!));
      else if (end === 'close context') run(program.close(iommuFd));
      else if (end === 'detach') run(listener.detach(0, listener.ioasid));
      else run(program.exit());
      const answered = listener.answers.map(([group]) => group);
      expect(answered.sort((a, b) => a - b)).toEqual(asked);
      run(program.exit());
      expect(listener.answers).toHaveLength(asked.length);
    });
    fc.assert(property, { seed: 13, numRuns: 25 });
  },
);
