/** A device that a process drives may ask for pages only where the kernel trusts devices, and no longer than it is bound. */
import { describe, expect, it } from 'vitest';
import { ExtendedCapabilityId } from '../../hardware/pcie/spec/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { findExtendedCapability } from '../../src/kernel/pci/index.ts';
import {
  EINVAL,
  IOASID_ALLOC,
  IOASID_FAULT,
  IOASID_PAGE_RESPONSE,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { DEVICE, Listener, listening, pciDevice, VENDORS } from './fault-queue-bench.ts';
import type { MachineBench } from './machine-bench.ts';
import { AT, INVALID, SUCCESS } from './page-request-bench.ts';

/** Where the 16 bits of the control register stand, and its Enable. */
const CONTROLS = [
  [ExtendedCapabilityId.ADDRESS_TRANSLATION_SERVICES, 6, 0x8000],
  [ExtendedCapabilityId.PAGE_REQUEST_INTERFACE, 4, 0x0001],
  [ExtendedCapabilityId.PASID, 6, 0x0001],
] as const;

/** Which of ATS, page requests and PASIDs the device has switched on. */
function* enabled(bench: MachineBench): Script<boolean[]> {
  const { rid } = pciDevice(bench);
  const found: boolean[] = [];
  for (const [id, offset, mask] of CONTROLS) {
    const at = yield* findExtendedCapability(bench.bus, rid, id);
    found.push(((yield* bench.bus.configRead(rid, at + offset, 2)) & mask) !== 0);
  }
  return found;
}

describe.each(VENDORS)('On %s a device', (_, make) => {
  it('that is trusted has translations, page requests and PASIDs from bind to unbind.', () => {
    const listener = new Listener(make());
    const { bench, program } = listener;
    expect(bench.run(enabled(bench))).toEqual([false, false, false]);
    bench.run(listener.start());
    expect(bench.run(enabled(bench))).toEqual([true, true, true]);
    expect(bench.run(program.close(listener.deviceFds[0]!))).toBe(0);
    expect(bench.run(enabled(bench))).toEqual([false, false, false]);
    listener.ask({ group: 3 });
    bench.engine.run();
    expect(listener.answers).toEqual([[3, INVALID]]);
  });

  it('that is not trusted has none of them, and who asks for its pages is refused.', () => {
    const listener = listening(make, { kernel: { trustDevices: false } });
    const { bench } = listener;
    expect(bench.run(enabled(bench))).toEqual([false, false, false]);
    listener.ask({ group: 3 });
    bench.engine.run();
    expect(listener.answers).toEqual([[3, INVALID]]);
    const faults = bench.run(listener.faults());
    expect((faults as { flags: number }[]).filter(({ flags }) => (flags & 1) !== 0)).toEqual([]);
  });

  it('is not named in the records of version 1.', () => {
    const listener = new Listener(make());
    const { bench, program, answers } = listener;
    bench.run(
      (function* () {
        const ioasidFd = yield* program.open('/dev/ioasid');
        const fd = yield* program.open(DEVICE);
        expect(yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd })).toBe(0);
        const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
        expect(yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid })).toBe(0);
        listener.ask({ group: 5 });
        expect(yield* program.poll(ioasidFd, 1_000_000)).toBe(1);
        expect(yield* program.readFile(ioasidFd, 39)).toBe(-EINVAL);
        const bytes = yield* program.readFile(ioasidFd, 4096);
        const record = { argsz: 40, flags: 3, ioasid, perm: 1, addr: BigInt(AT), group: 1, reason: 0, vpasid: 0 };
        expect(bytes).toHaveLength(40);
        expect(IOASID_FAULT.decode(bytes as Uint8Array)).toEqual(record);
        const response = IOASID_PAGE_RESPONSE.encode({ ioasid, group: 1, code: SUCCESS });
        expect(response).toHaveLength(24);
        expect(yield* program.writeFile(ioasidFd, response)).toBe(24);
      })(),
    );
    expect(answers).toEqual([[5, SUCCESS]]);
  });
});
