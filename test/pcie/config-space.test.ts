import { describe, expect, it } from 'vitest';
import { ConfigSpace, type ConfigSpec } from '../../hardware/pcie/index.ts';

const SPEC: ConfigSpec = {
  vendor: 0xd3a0,
  device: 0x0001,
  revision: 2,
  classCode: 0x08_01_00,
  bars: [
    { index: 0, size: 0x4000, wide: true, prefetchable: true },
    { index: 2, size: 0x1000, wide: false, prefetchable: false },
    { index: 4, size: 2 ** 33, wide: true, prefetchable: true },
  ],
  msiVectors: 4,
  payloadSupported: 512,
};

const MEMORY_SPACE = 2;

describe('Configuration space', () => {
  it('begins with a type 0 header', () => {
    const config = new ConfigSpace(SPEC);
    const words = [0x00, 0x04, 0x08, 0x0c, 0x2c, 0x34, 0x3c].map((offset) => config.read(offset, 4));
    expect(words).toEqual([0x0001_d3a0, 0x0010_0000, 0x0801_0002, 0, 0x0001_d3a0, 0x40, 0]);
  });

  it('is read in bytes, halves and words', () => {
    const config = new ConfigSpace(SPEC);
    expect([config.read(0x00, 2), config.read(0x02, 2), config.read(0x0b, 1)]).toEqual([0xd3a0, 0x0001, 0x08]);
  });

  it('tells the size of a 64-bit base address: all ones written, the address bits of the size read back', () => {
    const config = new ConfigSpace(SPEC);
    config.write(0x10, 4, 0xffff_ffff);
    config.write(0x14, 4, 0xffff_ffff);
    expect([config.read(0x10, 4), config.read(0x14, 4)]).toEqual([0xffff_c00c, 0xffff_ffff]);
  });

  it('tells the size of a 32-bit base address, and has 0 where there is no register', () => {
    const config = new ConfigSpace(SPEC);
    for (const offset of [0x18, 0x1c, 0x30]) config.write(offset, 4, 0xffff_ffff);
    expect([0x18, 0x1c, 0x30].map((offset) => config.read(offset, 4))).toEqual([0xffff_f000, 0, 0]);
  });

  it('tells a size above 4 GiB in the upper half alone', () => {
    const config = new ConfigSpace(SPEC);
    config.write(0x20, 4, 0xffff_ffff);
    config.write(0x24, 4, 0xffff_ffff);
    expect([config.read(0x20, 4), config.read(0x24, 4)]).toEqual([0x0000_000c, 0xffff_fffe]);
  });

  it('answers at a base address only while Memory Space Enable is set, and says when that changes', () => {
    const config = new ConfigSpace(SPEC);
    const [bar] = SPEC.bars;
    let changes = 0;
    config.onDecode = () => changes++;
    config.write(0x10, 4, 0xe000_4000);
    config.write(0x14, 4, 0x12);
    expect(config.barAt(bar!)).toBe(-1);
    config.write(0x04, 2, MEMORY_SPACE);
    expect(config.barAt(bar!)).toBe(0x12_e000_4000);
    expect(changes).toBe(3);
  });

  it('chains a PCI Express and an MSI capability', () => {
    const config = new ConfigSpace(SPEC);
    expect(config.read(0x40, 4)).toBe(0x0002_8010);
    expect(config.read(0x80, 4)).toBe(0x0084_0005);
  });

  it('has no MSI capability for a function without vectors', () => {
    const config = new ConfigSpace({ ...SPEC, msiVectors: 0 });
    expect(config.read(0x40, 4)).toBe(0x0002_0010);
    config.write(0x82, 2, 1);
    expect([config.read(0x80, 4), config.msi, config.interrupts]).toEqual([0, null, null]);
  });

  it('starts with payloads of 128 bytes and reads of 512, and follows what is programmed', () => {
    const config = new ConfigSpace(SPEC);
    expect(config.read(0x44, 4) & 7).toBe(2);
    expect([config.maxPayload, config.maxReadRequest]).toEqual([128, 512]);
    config.write(0x48, 2, (1 << 5) | (5 << 12));
    expect([config.maxPayload, config.maxReadRequest]).toEqual([256, 4096]);
  });

  it('allows the vectors that software enables, at most those that there are', () => {
    const config = new ConfigSpace(SPEC);
    config.write(0x84, 4, 0xfee0_1000);
    config.write(0x8c, 2, 0x4041);
    expect(config.interrupts).toBeNull();
    const msi = config.msi!;
    config.write(0x82, 2, 1 | (1 << 4));
    expect([config.interrupts, msi.vectors, msi.data(0), msi.data(1)]).toEqual([msi, 2, 0x4040, 0x4041]);
    config.write(0x82, 2, 1 | (5 << 4));
    expect([msi.vectors, msi.data(3)]).toEqual([4, 0x4043]);
    expect([msi.addressHi(3), msi.addressLo(3) >>> 0]).toEqual([0, 0xfee0_1000]);
  });

  it('keeps a write-1-to-clear bit through a write to the other bytes of its word', () => {
    const config = new ConfigSpace(SPEC);
    config.noteFailedRequest(false);
    config.noteFailedRequest(true);
    config.write(0x04, 2, 0x0006);
    expect(config.read(0x06, 2)).toBe(0x3010);
    config.write(0x06, 2, 0x2000);
    expect([config.read(0x06, 2), config.read(0x04, 2)]).toEqual([0x1010, 0x0006]);
  });

  it('ignores writes to what is read-only', () => {
    const config = new ConfigSpace(SPEC);
    const before = [0x00, 0x08, 0x2c, 0x34, 0x40, 0x4c].map((offset) => config.read(offset, 4));
    for (const offset of [0x00, 0x08, 0x2c, 0x34, 0x40, 0x4c]) config.write(offset, 4, 0xffff_ffff);
    expect([0x00, 0x08, 0x2c, 0x34, 0x40, 0x4c].map((offset) => config.read(offset, 4))).toEqual(before);
  });

  it('returns to its power-on values with a reset', () => {
    const config = new ConfigSpace(SPEC);
    config.describePlace(3, 4, true);
    const before = Array.from({ length: 64 }, (_, i) => config.read(i * 4, 4));
    for (let i = 0; i < 64; i++) config.write(i * 4, 4, 0xffff_ffff);
    config.reset();
    expect(Array.from({ length: 64 }, (_, i) => config.read(i * 4, 4))).toEqual(before);
    expect([config.read(0x52, 2), config.read(0x0e, 1)]).toEqual([0x43, 0x80]);
  });

  it.each([
    [{ index: 0, size: 24, wide: false, prefetchable: false }, 'power of two'],
    [{ index: 0, size: 8, wide: false, prefetchable: false }, 'not possible'],
    [{ index: 5, size: 4096, wide: true, prefetchable: false }, 'not possible'],
  ])('refuses a base address register that cannot be (%o)', (bar, message) => {
    expect(() => new ConfigSpace({ ...SPEC, bars: [bar] })).toThrow(message);
  });
});
