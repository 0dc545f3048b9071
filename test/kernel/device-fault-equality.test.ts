/** A program cannot tell by an event who has reported it: the IOMMU, a device in its own way, or software. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { us } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import {
  IOMMU_FAULT,
  IOMMU_IOASID_ALLOC,
  IOMMU_MAP_DMA,
  IOMMU_PAGE_RESPONSE,
  type ObjectIn,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, type DmaResult, Program } from '../../src/user/index.ts';

const IOVA = 0x40_0000n;
const BYTES = Uint8Array.of(1, 2, 3, 4);
const ANSWERS = [
  ['success', 0],
  ['invalid', 1],
  ['failure', 2],
] as const;
/** One asks by page requests, one stops in a way of its own, one is software. */
const ASKING = ['asker', 'staller', 'soft'] as const;
/** Of those that are not let through without asking: one in hardware, one in software. */
const PLAIN = ['plain', 'soft'] as const;

type Fault = ObjectIn<typeof IOMMU_FAULT>;

/** A machine whose kernel trusts devices, and a program that has all of them in one space, each by its place in the list. */
class Everyone {
  readonly machine;
  readonly program: Program;
  readonly engines = new Map<string, DmaEngineDriver>();
  fd = -1;
  ioasid = -1;

  constructor(preset: string) {
    const asks = { pasidWidth: 20, deviceTlb: { sets: 16, ways: 4 } };
    this.machine = buildMachine({
      preset,
      devices: [
        { name: 'asker', model: 'dma-engine', at: '00:01.0', ...asks, pageRequests: 32 },
        { name: 'staller', model: 'stall-engine', at: '00:02.0', ...asks },
        { name: 'plain', model: 'dma-engine', at: '00:03.0' },
      ],
      kernel: { trustDevices: true },
    });
    this.run(this.machine.boot());
    this.machine.kernel.addMediated('soft');
    this.program = new Program(this.machine.kernel.process('program'));
  }

  run<T>(script: Script<T>): T {
    return this.machine.engine.runUntilDone(this.machine.engine.spawn(script));
  }

  *start(): Script {
    const { program } = this;
    this.fd = yield* program.open('/dev/iommu');
    const names = ['asker', 'staller', 'plain', 'soft'];
    const fds: number[] = [];
    for (const [cookie, name] of names.entries()) {
      const fd = yield* program.open(`/dev/vfio/devices/${name}`);
      fds.push(fd);
      expect(yield* program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: this.fd, cookie: BigInt(cookie) })).toBe(0);
    }
    this.ioasid = yield* program.ioctl(this.fd, IOMMU_IOASID_ALLOC, { type: 1, addr_width: 39 });
    for (const [i, fd] of fds.entries()) {
      const place = { iommu_fd: this.fd, ioasid: this.ioasid };
      expect(yield* program.ioctl(fd, VFIO_ATTACH_IOASID_2, place)).toBe(0);
      const engine = yield* DmaEngineDriver.open(program, fd);
      if (typeof engine === 'number') throw new Error(`no driver: ${engine}`);
      this.engines.set(names[i]!, engine);
    }
  }

  *next(): Script<Fault> {
    expect(yield* this.program.poll(this.fd, 1e9)).toBe(1);
    const bytes = yield* this.program.readFile(this.fd, 10 * IOMMU_FAULT.bytes);
    if (typeof bytes === 'number' || bytes.length !== IOMMU_FAULT.bytes) throw new Error(`read gives ${bytes}`);
    return IOMMU_FAULT.decode(bytes);
  }

  /** What a device's write to a page that is not there makes its program hear, and how it ends when that is the answer. */
  *ask(name: string, code: number, iova: bigint): Script<{ readonly fault: Fault; readonly result: DmaResult }> {
    const { engine } = this.machine;
    const write = engine.spawn(this.engines.get(name)!.write(iova, BYTES, { requestPages: true }));
    const fault = yield* this.next();
    expect(write.ended).toBe(false);
    if (code === 0) {
      const vaddr = yield* this.program.mmap(4096);
      const mapping = { ioasid: this.ioasid, flags: 3, vaddr, iova, size: 4096n };
      expect(yield* this.program.ioctl(this.fd, IOMMU_MAP_DMA, mapping)).toBe(0);
    }
    const { ioasid, group, dev_cookie } = fault;
    const response = IOMMU_PAGE_RESPONSE.encode({ ioasid, group, code, dev_cookie });
    expect(yield* this.program.writeFile(this.fd, response)).toBe(32);
    yield write.done;
    return { fault, result: write.result };
  }
}

describe.each(['intel-scalable', 'amd-full'])('On %s a fault that a device reports in its own way', (preset) => {
  it.each(ANSWERS)(
    'is the same event as one through the IOMMU, and ends the same with %s (invariant 14)',
    (_, code) => {
      const all = new Everyone(preset);
      const seen = all.run(
        (function* () {
          yield* all.start();
          const heard: { readonly name: string; readonly fault: Fault; readonly result: DmaResult }[] = [];
          // Each its own page: what is mapped for one is there for all.
          for (const [i, name] of ASKING.entries()) {
            const iova = IOVA + BigInt(i * 4096);
            heard.push({ name, ...(yield* all.ask(name, code, iova)) });
          }
          return heard;
        })(),
      );
      const common = { argsz: 48, flags: 3, ioasid: all.ioasid, perm: 2, reason: 0, vpasid: 0 };
      for (const [i, { fault, result }] of seen.entries()) {
        const cookie = [0n, 1n, 3n][i]!;
        expect(fault).toEqual({ ...common, addr: IOVA + BigInt(i * 4096), group: i + 1, dev_cookie: cookie });
        expect(result.ok).toBe(code === 0);
      }
    },
  );

  it('and that is not recoverable is the same event too', () => {
    const all = new Everyone(preset);
    const seen = all.run(
      (function* () {
        yield* all.start();
        const faults: Fault[] = [];
        for (const name of PLAIN) {
          yield* all.engines.get(name)!.write(IOVA + 0x123n, BYTES);
          yield us(20);
          faults.push(yield* all.next());
        }
        return faults;
      })(),
    );
    const [hardware, software] = seen;
    expect(software).toEqual({ ...hardware, dev_cookie: 3n });
    expect(hardware).toMatchObject({ flags: 0, perm: 2, addr: IOVA, reason: 5, dev_cookie: 2n });
  });
});
