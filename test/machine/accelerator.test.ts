/** A program drives the accelerator of a whole machine: through the kernel, the IOMMU and its own memory. */
import { describe, expect, it } from 'vitest';
import {
  buildMachine,
  type DeviceBuffer,
  type IommuDomain,
  type KernelDriver,
  type Machine,
  portalsOf,
  registersOf,
  type Script,
} from '../../src/machine/index.ts';
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EIO,
  EPERM,
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { type AcceleratorCopy, AcceleratorDriver, Program, recordIn } from '../../src/user/index.ts';

const IOVA = 0x10_0000n;
const BYTES = 0x8000;
const PORTALS = 2n << 40n;
const RW = IoasidMapFlag.READ | IoasidMapFlag.WRITE;

interface Setup {
  readonly machine: Machine;
  readonly program: Program;
  readonly process: ReturnType<Machine['kernel']['process']>;
  readonly fd: number;
  readonly memory: bigint;
}

/** Runs a script with a program whose memory the device sees at IOVA. */
function withDevice(body: (setup: Setup) => Script): Machine {
  const machine = buildMachine({ devices: [{ name: 'dsa0', model: 'accelerator', at: '00:04.0' }] });
  const script = function* (): Script {
    yield* machine.boot();
    const process = machine.kernel.process('app');
    const program = new Program(process);
    const ioasidFd = yield* program.open('/dev/ioasid');
    const fd = yield* program.open('/dev/vfio/devices/dsa0');
    yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd });
    const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
    yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid });
    const memory = yield* program.mmap(BYTES);
    const mapping = { ioasid, flags: RW, iova: IOVA, vaddr: memory, size: BigInt(BYTES) };
    yield* program.ioctl(ioasidFd, IOASID_MAP_DMA, mapping);
    yield* body({ machine, program, process, fd, memory });
  };
  machine.engine.runUntilDone(machine.engine.spawn(script()));
  return machine;
}

function* driverOf({ program, fd }: Setup): Script<AcceleratorDriver> {
  const driver = yield* AcceleratorDriver.open(program, fd);
  if (typeof driver === 'number') throw new Error(`not opened: ${driver}`);
  return driver;
}

/** With the completion record at the beginning of the memory. */
function copyOf({ program, memory }: Setup, from: bigint, to: bigint, bytes: number): AcceleratorCopy {
  return { from, to, bytes, record: recordIn(program, memory, IOVA) };
}

describe('The driver of the accelerator', () => {
  it('lets the device copy in the memory of the program', () => {
    const machine = withDevice(function* (setup) {
      const driver = yield* driverOf(setup);
      expect(yield* driver.start()).toBeUndefined();
      const words = new TextEncoder().encode('from here to there');
      setup.program.write(setup.memory + 0x1ff8n, words);
      const copied = yield* driver.copy(copyOf(setup, IOVA + 0x1ff8n, IOVA + 0x4ffcn, words.length));
      expect(copied).toEqual({ ok: true, result: 0, completed: words.length });
      expect(setup.program.read(setup.memory + 0x4ffcn, words.length)).toEqual(words);
    });
    expect(machine.kernel.faults).toEqual([]);
  });

  it('hears of memory that is not mapped, and the kernel too', () => {
    const machine = withDevice(function* (setup) {
      const driver = yield* driverOf(setup);
      yield* driver.start();
      const error = yield* driver.copy(copyOf(setup, IOVA + BigInt(BYTES) - 16n, IOVA + 0x1000n, 64));
      const faultAddress = IOVA + BigInt(BYTES);
      expect(error).toEqual({ ok: false, error: 'HW_ERR1', completed: 16, faultAddress });
      yield* setup.program.sleep(100_000);
    });
    expect(machine.kernel.faults).toMatchObject([{ address: IOVA + BigInt(BYTES), access: 'read' }]);
  });

  it('cannot share a queue before the kernel has enabled PASIDs', () => {
    withDevice(function* (setup) {
      const driver = yield* driverOf(setup);
      expect(yield* driver.start({ shared: true })).toBe('PASID_EN');
    });
  });
});

describe('A driver inside the kernel', () => {
  /** Runs a script with a driver that has taken the device, whose page 0x100 is a buffer. */
  function inKernel(body: (driver: KernelDriver, buffer: DeviceBuffer) => Script): void {
    const machine = buildMachine({ devices: [{ name: 'dsa0', model: 'accelerator', at: '00:04.0' }] });
    const script = function* (): Script {
      yield* machine.boot();
      const driver = machine.kernel.driver('dsa0') as KernelDriver;
      yield* driver.setBusMaster(true);
      const domain = (yield* driver.domain()) as IommuDomain;
      const buffer = driver.memory.allocate(1) as DeviceBuffer;
      yield* driver.map(domain, 0x100, buffer, { read: true, write: true });
      yield* driver.attach(domain);
      yield* body(driver, buffer);
    };
    machine.engine.runUntilDone(machine.engine.spawn(script()));
  }

  it('hands descriptors to a queue of its own as posted writes of 64 bytes', () => {
    inKernel(function* (driver, buffer) {
      const accelerator = new AcceleratorDriver(registersOf(driver, 0), portalsOf(driver, 2));
      expect(yield* accelerator.start()).toBeUndefined();
      driver.memory.write(buffer, 0, Uint8Array.of(1, 2, 3, 4));
      const record = {
        iova: IOVA + 0x20n,
        read: (length: number) => driver.memory.read(buffer, 0x20, length),
        write: (bytes: Uint8Array) => driver.memory.write(buffer, 0x20, bytes),
      };
      const copied = yield* accelerator.copy({ from: IOVA, to: IOVA + 0x800n, bytes: 4, record });
      expect(copied).toEqual({ ok: true, result: 0, completed: 4 });
      expect(driver.memory.read(buffer, 0x800, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
    });
  });

  it('is told of a deferrable write that is put off, and of one that nobody takes', () => {
    inKernel(function* (driver) {
      // No queue is enabled.
      expect(yield* driver.enqueue(2, 0x1000, new Uint8Array(64))).toBe(-EAGAIN);
      // The device answers no memory requests.
      yield* driver.configWrite(0x04, 2, 0);
      expect(yield* driver.enqueue(2, 0x1000, new Uint8Array(64))).toBe(-EIO);
    });
  });
});

describe('ENQCMD', () => {
  it('needs a PASID, an open device, memory and an aligned portal', () => {
    withDevice(function* ({ program, process, fd }) {
      const bytes = new Uint8Array(64);
      expect(yield* program.enqcmd(fd, bytes, PORTALS)).toBe(-EPERM);
      process.pasid = 5;
      expect(yield* program.enqcmd(99, bytes, PORTALS)).toBe(-EBADF);
      expect(yield* program.enqcmd(fd, bytes, PORTALS + 32n)).toBe(-EINVAL);
      expect(yield* program.enqcmd(fd, bytes, -64n)).toBe(-EINVAL);
      expect(yield* program.enqcmd(fd, bytes, 1n << 40n)).toBe(-EINVAL);
      expect(yield* program.system.enqcmd(fd, 0n, PORTALS)).toBe(-EFAULT);
      // A queue that is not enabled puts everything off.
      expect(yield* program.enqcmd(fd, bytes, PORTALS)).toBe(-EAGAIN);
      const other = yield* program.open('/dev/ioasid');
      expect(yield* program.enqcmd(other, bytes, 0n)).toBe(-EINVAL);
    });
  });
});
