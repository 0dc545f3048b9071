/** A device asks for the page that it misses, over links and through its IOMMU; the program that drives it maps the page. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import {
  IOASID_ALLOC,
  IOASID_FAULT,
  IOASID_MAP_DMA,
  IOASID_PAGE_RESPONSE,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, type DmaResult, Program } from '../../src/user/index.ts';

const IOVA = 0x40_0000n;
const SUCCESS = 0;
const INVALID = 1;

/** What the DMA of a program's device at IOVA gives when its page request is served, or refused. */
function transfer(preset: string, served: boolean): DmaResult {
  const machine = buildMachine({
    preset,
    devices: [
      {
        name: 'dma0',
        model: 'dma-engine',
        at: '00:01.0',
        pasidWidth: 20,
        deviceTlb: { sets: 16, ways: 4 },
        pageRequests: 32,
      },
    ],
    kernel: { trustDevices: true },
  });
  const { engine, kernel } = machine;
  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script));
  run(machine.boot());
  const program = new Program(kernel.process('program'));
  return run(
    (function* () {
      const ioasidFd = yield* program.open('/dev/ioasid');
      const deviceFd = yield* program.open('/dev/vfio/devices/dma0');
      yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd });
      const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid })).toBe(0);
      const memory = yield* program.mmap(4096);
      program.write(memory, Uint8Array.of(7, 8, 9));
      const driver = yield* DmaEngineDriver.open(program, deviceFd);
      if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
      const read = engine.spawn(driver.read(IOVA, 3, { requestPages: true }));
      expect(yield* program.poll(ioasidFd, 1e9)).toBe(1);
      const fault = IOASID_FAULT.decode((yield* program.readFile(ioasidFd, IOASID_FAULT.bytes)) as Uint8Array);
      expect(fault).toMatchObject({ flags: 3, ioasid, addr: IOVA });
      expect(read.ended).toBe(false);
      const range = { ioasid, flags: 3, vaddr: memory, iova: IOVA, size: 4096n };
      if (served) expect(yield* program.ioctl(ioasidFd, IOASID_MAP_DMA, range)).toBe(0);
      const code = served ? SUCCESS : INVALID;
      const response = IOASID_PAGE_RESPONSE.encode({ ioasid, group: fault.group, code });
      expect(yield* program.writeFile(ioasidFd, response)).toBe(24);
      yield read.done;
      return read.result;
    })(),
  );
}

describe.each(['intel-scalable', 'amd-full'])('On %s the DMA of a device that asks for a page', (preset) => {
  it('goes on when its program maps the page.', () => {
    expect(transfer(preset, true)).toEqual({ ok: true, data: Uint8Array.of(7, 8, 9) });
  });

  it('fails when its program refuses.', () => {
    expect(transfer(preset, false)).toMatchObject({ ok: false });
  });
});
