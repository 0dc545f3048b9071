import { describe, expect, it } from 'vitest';
import { EDU, Edu, type EduSpec } from '../../hardware/devices/edu/index.ts';
import { ms } from '../../hardware/sim/index.ts';
import { pattern } from '../pcie/board.ts';
import { DeviceBoard, RID } from './device-board.ts';

const BUFFER = 0x40000;
const MSI = 0x40;
const ALL = { addressBits: 64 };

function board(spec?: Partial<EduSpec>): DeviceBoard<Edu> {
  const made = new DeviceBoard((engine) => new Edu(engine, { ...EDU, ...spec, name: 'edu', requester: RID }));
  made.configure([MSI + 4, 4, 0xfee0_0000], [MSI + 8, 4, 0], [MSI + 12, 2, 0x33], [MSI + 2, 2, 1]);
  return made;
}

/** As the recorded cases use the device: four writes of 8 bytes, then 100 ms. */
function transfer(
  edu: DeviceBoard<Edu>,
  source: number | bigint,
  destination: number | bigint,
  count: number,
  command: number,
) {
  edu.write(0x80, 8, source);
  edu.write(0x88, 8, destination);
  edu.write(0x90, 8, count);
  edu.write(0x98, 8, command);
  edu.pass(ms(100));
  edu.engine.run();
}

describe('edu', () => {
  it('is 1234:11e8, revision 0x10, with a base address of 1 MiB and MSI at 0x40, and no PCI Express', () => {
    const edu = board();
    const config = (offset: number, size: number) => edu.run(edu.rootComplex.configRead(RID, offset, size));
    expect([config(0, 4), config(8, 4), config(0x34, 1)]).toEqual([0x11e8_1234, 0x00ff_0010, MSI]);
    expect([config(MSI, 2), config(MSI + 2, 2)]).toEqual([0x0005, 0x0081]);
    edu.configure([0x10, 4, 0xffff_ffff]);
    expect(config(0x10, 4)).toBe(0xfff0_0000);
  });

  it('says its version, and the inverse of what it is told', () => {
    const edu = board();
    expect(edu.read(0x00)).toBe(0x0100_00edn);
    edu.write(0x04, 4, 0x1234_5678);
    expect(edu.read(0x04)).toBe(0xedcb_a987n);
  });

  it.each([
    [0, 1n],
    [1, 1n],
    [5, 120n],
    [13, 0x7328_cc00n],
    [33, 0x8000_0000n],
    [34, 0n],
    [1_000_000, 0n],
  ])('computes %i! modulo 2^32', (n, result) => {
    const edu = board();
    edu.write(0x08, 4, n);
    edu.engine.run();
    expect([edu.read(0x08), edu.read(0x20)]).toEqual([result, 0n]);
    expect(edu.interrupts).toEqual([]);
  });

  it('ignores another number while it computes, and raises an interrupt at the end if it is asked to', () => {
    const edu = board();
    edu.write(0x20, 4, 0x80);
    edu.write(0x08, 4, 100_000);
    edu.write(0x08, 4, 3);
    expect([edu.read(0x08), edu.read(0x20)]).toEqual([100_000n, 0x81n]);
    edu.engine.run();
    expect([edu.read(0x08), edu.read(0x20), edu.read(0x24)]).toEqual([0n, 0x80n, 1n]);
    expect(edu.interrupts).toMatchObject([{ data: 0x33 }]);
  });

  it('raises what it is told to raise until it is acknowledged', () => {
    const edu = board();
    edu.write(0x60, 4, 0x8000_0001);
    edu.write(0x60, 4, 0x10);
    edu.engine.run();
    expect(edu.read(0x24)).toBe(0x8000_0011n);
    expect(edu.interrupts).toHaveLength(2);
    edu.write(0x64, 4, 0x8000_0001);
    expect(edu.read(0x24)).toBe(0x10n);
    edu.write(0x60, 4, 0);
    edu.engine.run();
    expect(edu.interrupts).toHaveLength(3);
    edu.write(0x64, 4, 0x10);
    edu.write(0x60, 4, 0);
    edu.engine.run();
    expect(edu.interrupts).toHaveLength(3);
  });

  it.each([1, 8, 4096])('moves %i bytes as the recorded cases have it: to its buffer, and back to memory', (count) => {
    const edu = board(ALL);
    edu.memory.write(0x1234, pattern(count));
    transfer(edu, 0x1234, BUFFER, count, 1);
    expect(edu.read(0x98, 8)).toBe(0n);
    transfer(edu, BUFFER, 0x7ff8, count, 3);
    expect(edu.memory.read(0x7ff8, count + 1)).toEqual(Uint8Array.of(...pattern(count), 0));
    expect(edu.interrupts).toEqual([]);
  });

  it('takes 100 ms, and ignores its DMA registers meanwhile', () => {
    const edu = board(ALL);
    edu.memory.write(0x1000, pattern(64));
    edu.write(0x80, 8, 0x1000);
    edu.write(0x88, 8, BUFFER);
    edu.write(0x90, 8, 64);
    edu.write(0x98, 8, 0b101);
    edu.write(0x98, 8, 0b011);
    edu.write(0x80, 8, 0x2000);
    edu.pass(ms(99));
    expect([edu.read(0x98, 8), edu.read(0x80, 8), edu.interrupts.length]).toEqual([0b101n, 0x1000n, 0]);
    edu.engine.run();
    expect([edu.read(0x98, 8), edu.read(0x24)]).toEqual([0b100n, 0x100n]);
    expect(edu.interrupts).toHaveLength(1);
    edu.write(0x80, 8, 0x2000);
    expect(edu.read(0x80, 8)).toBe(0x2000n);
  });

  it.each([
    ['begins before', BUFFER - 1, 16, 0],
    ['ends behind', BUFFER + 0x0ff8, 9, 0],
    ['begins far beyond', BUFFER + 2 ** 32, 16, 0],
    ['is longer than', BUFFER, 2 ** 32, 0],
    ['ends with', BUFFER + 0x0ff8, 8, 8],
  ])('copies nothing of a range that %s its buffer, and ends as ever', (_, address, count, copied) => {
    const edu = board(ALL);
    edu.memory.write(0x1000, pattern(64));
    transfer(edu, 0x1000, address, count, 0b101);
    expect([edu.read(0x98, 8), edu.read(0x24)]).toEqual([0b100n, 0x100n]);
    transfer(edu, BUFFER + 0x0ff8, 0x5000, 8, 3);
    expect(edu.memory.read(0x5000, 8)).toEqual(copied === 0 ? new Uint8Array(8) : pattern(64).slice(0, 8));
  });

  it('clears the address bits that it cannot express', () => {
    const edu = board();
    edu.memory.write(0x1000, pattern(16));
    transfer(edu, 0xffff_ffff_f000_1000n, BUFFER, 16, 1);
    transfer(edu, BUFFER, 0x1_2000_2000, 16, 3);
    expect(edu.memory.read(0x2000, 16)).toEqual(pattern(16));
  });

  it('keeps its buffer when a read is refused, and ends as after a success', () => {
    const edu = board(ALL);
    edu.memory.write(0x1000, pattern(16));
    transfer(edu, 0x1000, BUFFER, 16, 1);
    transfer(edu, 2n ** 50n, BUFFER, 16, 0b101);
    expect([edu.read(0x98, 8), edu.read(0x24)]).toEqual([0b100n, 0x100n]);
    transfer(edu, BUFFER, 0x2000, 16, 3);
    expect(edu.memory.read(0x2000, 16)).toEqual(pattern(16));
  });

  it('gives ones to reads of other sizes and places, and ignores such writes', () => {
    const edu = board();
    edu.write(0x04, 8, 0x1111_1111_1111_1111n);
    edu.write(0x04, 2, 0x1111);
    expect([edu.read(0x04), edu.read(0x04, 8), edu.read(0x04, 2), edu.read(0x00, 1)]).toEqual([
      0n,
      2n ** 64n - 1n,
      0xffffn,
      0xffn,
    ]);
    expect([edu.read(0x10), edu.read(0x60), edu.read(0x84), edu.read(0xa0), edu.read(BUFFER)]).toEqual(
      Array.from({ length: 5 }, () => 0xffff_ffffn),
    );
    edu.write(0x80, 8, 0x1111_2222_3333_4444n);
    expect([edu.read(0x80, 8), edu.read(0x80)]).toEqual([0x1111_2222_3333_4444n, 0x3333_4444n]);
    edu.write(0x80, 4, 0x5555_6666);
    expect(edu.read(0x80, 8)).toBe(0x5555_6666n);
    edu.write(0x98, 8, 0b110);
    expect(edu.read(0x98, 8)).toBe(0n);
  });

  it('is as built after a reset, whatever was going on', () => {
    const edu = board(ALL);
    edu.memory.write(0x1000, pattern(64));
    transfer(edu, 0x1000, BUFFER, 64, 1);
    edu.write(0x08, 4, 1_000_000);
    edu.write(0x98, 8, 0b101);
    edu.device.reset();
    edu.engine.run();
    expect(edu.device.state).toEqual(new Edu(edu.engine, { ...EDU, name: 'edu', requester: RID }).state);
    expect(edu.interrupts).toEqual([]);
  });
});
