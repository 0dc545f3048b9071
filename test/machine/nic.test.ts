import { describe, expect, it } from 'vitest';
import { RX_DROPPED, RX_PACKETS } from '../../hardware/devices/nic/spec.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine, type Machine } from '../../src/machine/index.ts';
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { bytesOfQueue, NicDriver, Program, type QueueShape } from '../../src/user/index.ts';
import { pattern } from '../pcie/board.ts';

const RX_IOVA = 0x10_0000n;
const TX_IOVA = 0x80_0000n;
const SHAPE = { log2: 4, bufferBytes: 2048 };

/** A machine with a network interface, and what a process does with it. */
function run<T>(preset: string, body: (nic: Bound) => Script<T>): T {
  const machine = buildMachine({ preset, devices: [{ name: 'nic0', model: 'nic', at: '00:04.0' }] });
  machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
  return machine.engine.runUntilDone(machine.engine.spawn(bound(machine, body)));
}

interface Bound {
  readonly machine: Machine;
  readonly program: Program;
  readonly driver: NicDriver;
  /** Maps memory for a queue at `iova`. */
  memory(iova: bigint, shape: QueueShape): Script<{ address: bigint; iova: bigint }>;
}

function* bound<T>(machine: Machine, body: (nic: Bound) => Script<T>): Script<T> {
  const program = new Program(machine.kernel.process('app'));
  const fd = yield* program.open('/dev/vfio/devices/nic0');
  const ioasids = yield* program.open('/dev/ioasid');
  yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* program.ioctl(ioasids, IOASID_ALLOC);
  yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid });
  const driver = yield* NicDriver.open(program, fd);
  if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
  return yield* body({
    machine,
    program,
    driver,
    *memory(iova, shape) {
      const size = Math.ceil(bytesOfQueue(shape) / 4096) * 4096;
      const address = yield* program.mmap(size);
      const flags = IoasidMapFlag.READ | IoasidMapFlag.WRITE;
      const mapping = { ioasid, flags, vaddr: address, iova, size: BigInt(size) };
      expect(yield* program.ioctl(ioasids, IOASID_MAP_DMA, mapping)).toBe(0);
      return { address, iova };
    },
  });
}

describe.each(['intel-scalable', 'amd-v1'])('A program that drives a network interface on %s', (preset) => {
  it('receives what it has sent over a cable that comes back, around its rings', () => {
    run(preset, function* ({ machine, program, driver, memory }) {
      const wire = machine.wire('nic0');
      wire.onFrame = (frame) => wire.deliver(frame);
      const rx = yield* driver.receiveQueue(0, yield* memory(RX_IOVA, SHAPE), SHAPE);
      const tx = yield* driver.transmitQueue(0, yield* memory(TX_IOVA, SHAPE), SHAPE);
      if (typeof rx === 'number' || typeof tx === 'number') throw new Error('no queues');
      const frames = Array.from({ length: 40 }, (_, i) => pattern(60 + i * 35, i));
      const received: Uint8Array[] = [];
      let sent = 0;
      for (let polls = 0; received.length < frames.length && polls < 10_000; polls++) {
        if (sent < frames.length && (yield* tx.send(frames[sent]!)) === true) sent++;
        const next = yield* rx.poll();
        if (next !== null && typeof next !== 'number') {
          expect(next.whole).toBe(true);
          received.push(next.frame);
        } else yield* program.sleep(200);
      }
      expect(received).toEqual(frames);
      expect([tx.reclaim(), tx.errors]).toEqual([0, 0]);
      expect(yield* driver.read(RX_PACKETS)).toBe(40n);
      expect(yield* driver.read(RX_DROPPED)).toBe(0n);
      expect(machine.kernel.faults).toEqual([]);
    });
  });

  it('receives frames of several buffers', () => {
    run(preset, function* ({ machine, program, driver, memory }) {
      const shape = { log2: 4, bufferBytes: 512 };
      const rx = yield* driver.receiveQueue(0, yield* memory(RX_IOVA, shape), shape);
      if (typeof rx === 'number') throw new Error('no queue');
      yield* program.sleep(2_000);
      const frames = [1514, 100, 513].map((length, i) => pattern(length, i));
      yield* machine.wire('nic0').arrive(frames);
      yield* program.sleep(20_000);
      const received = [yield* rx.poll(), yield* rx.poll(), yield* rx.poll(), yield* rx.poll()];
      expect(received).toEqual([...frames.map((frame) => ({ frame, whole: true })), null]);
    });
  });

  it('sees its queue stop, and a fault on record, when its ring is not mapped', () => {
    run(preset, function* ({ machine, program, driver, memory }) {
      const { address } = yield* memory(RX_IOVA, SHAPE);
      const rx = yield* driver.receiveQueue(0, { address, iova: 0x4000_0000n }, SHAPE);
      expect(typeof rx).toBe('object');
      yield* program.sleep(50_000);
      yield* machine.wire('nic0').arrive([pattern(60)]);
      expect(yield* driver.read(RX_DROPPED)).toBe(1n);
      expect(machine.kernel.faults.map(({ access, address: at }) => [access, at])).toEqual([['read', 0x4000_0000n]]);
    });
  });
});
