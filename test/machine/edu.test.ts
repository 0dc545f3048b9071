import { describe, expect, it } from 'vitest';
import { buildMachine, type Machine, type Script } from '../../src/machine/index.ts';
import {
  EINVAL,
  ENODEV,
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { EduDriver, Program } from '../../src/user/index.ts';
import { pattern } from '../pcie/board.ts';

const PAGE = 4096;
/** Of what it may read and of what it may write. Both are below 2^28, which is all that the device can say. */
const FROM = 0x10_0000n;
const TO = 0x20_0000n;
const { READ, WRITE } = IoasidMapFlag;

interface Bound {
  readonly program: Program;
  readonly driver: EduDriver;
  readonly source: bigint;
  readonly sink: bigint;
}

/** What a process does with the device of a machine, attached to a space with two pages. */
function run(preset: string, fields: object, body: (bound: Bound) => Script): Machine {
  const machine = buildMachine({ preset, devices: [{ name: 'edu0', model: 'edu', at: '00:04.0', ...fields }] });
  const script = function* (): Script {
    yield* machine.boot();
    const program = new Program(machine.kernel.process('app'));
    const fd = yield* program.open('/dev/vfio/devices/edu0');
    const ioasids = yield* program.open('/dev/ioasid');
    expect(yield* EduDriver.open(program, fd)).toBe(-EINVAL);
    yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* program.ioctl(ioasids, IOASID_ALLOC);
    yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid });
    const driver = yield* EduDriver.open(program, fd);
    if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
    const source = yield* program.mmap(PAGE);
    const sink = yield* program.mmap(PAGE);
    const size = BigInt(PAGE);
    yield* program.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags: READ, vaddr: source, iova: FROM, size });
    yield* program.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags: READ | WRITE, vaddr: sink, iova: TO, size });
    yield* body({ program, driver, source, sink });
  };
  machine.engine.runUntilDone(machine.engine.spawn(script()));
  return machine;
}

describe.each(['intel-legacy', 'amd-v1'])('A program that drives the educational device on %s', (preset) => {
  it('has it copy a page, through its buffer and the address space of the program', () => {
    const machine = run(preset, {}, function* ({ program, driver, source, sink }) {
      const bytes = pattern(PAGE, 7);
      program.write(source, bytes);
      expect(yield* driver.load(FROM, PAGE)).toBe(0);
      expect(yield* driver.store(TO, PAGE)).toBe(0);
      expect(program.read(sink, PAGE)).toEqual(bytes);
    });
    expect(machine.kernel.faults).toEqual([]);
  });

  it('is told of no failure, but the kernel is: of a page that is not mapped, and of one that may not be written', () => {
    const machine = run(preset, { dmaTime: 0 }, function* ({ program, driver, source, sink }) {
      program.write(source, pattern(PAGE, 7));
      expect(yield* driver.load(FROM, 16)).toBe(0);
      expect(yield* driver.load(TO + BigInt(PAGE), 16)).toBe(0);
      expect(yield* driver.store(FROM + 64n, 16)).toBe(0);
      // What could not be read has left the buffer as it was.
      expect(yield* driver.store(TO, 16)).toBe(0);
      expect(program.read(sink, 16)).toEqual(pattern(16, 7));
      expect(program.read(source, 128)).toEqual(pattern(128, 7));
    });
    machine.engine.run();
    expect(machine.kernel.faults.map(({ address, access }) => [address, access])).toEqual([
      [TO + BigInt(PAGE), 'read'],
      [FROM, 'write'],
    ]);
  });

  it('finds that it says 28 bits of an address, unless its machine says more', () => {
    const high = TO + (1n << 28n);
    for (const [fields, faults] of [
      [{}, 0],
      [{ addressBits: 40 }, 1],
    ] as const) {
      const machine = run(preset, { dmaTime: 0, ...fields }, function* ({ driver }) {
        expect(yield* driver.load(high, 16)).toBe(0);
      });
      machine.engine.run();
      expect(machine.kernel.faults).toHaveLength(faults);
    }
  });

  it('has it multiply, and finds no transfer that its buffer has no room for', () => {
    run(preset, {}, function* ({ driver }) {
      expect(yield* driver.factorial(10)).toBe(3_628_800);
      expect(yield* driver.load(FROM, PAGE + 1)).toBe(-EINVAL);
      expect(yield* driver.load(FROM, 0)).toBe(-EINVAL);
    });
  });
});

it('The driver of the educational device takes no other device.', () => {
  const machine = buildMachine({});
  const script = function* (): Script {
    yield* machine.boot();
    const program = new Program(machine.kernel.process('app'));
    const fd = yield* program.open('/dev/vfio/devices/dma0');
    const ioasids = yield* program.open('/dev/ioasid');
    yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    expect(yield* EduDriver.open(program, fd)).toBe(-ENODEV);
  };
  machine.engine.runUntilDone(machine.engine.spawn(script()));
});
