import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Access, bit, bits, layout, RegisterFile, register } from '../../hardware/bits/index.ts';

const one = (name: string, offset: number, access: Access) =>
  register(name, offset, 32, '', { V: bits(15, 0, access, '') });
const RO = one('RO', 0x00, 'RO');
const ROS = one('ROS', 0x04, 'ROS');
const RW = one('RW', 0x08, 'RW');
const RWL = one('RWL', 0x0c, 'RWL');
const WO = one('WO', 0x10, 'WO');
const RW1C = one('RW1C', 0x14, 'RW1C');
const RW1CS = one('RW1CS', 0x18, 'RW1CS');
const RW1S = one('RW1S', 0x28, 'RW1S');
const RWS = one('RWS', 0x2c, 'RWS');
const WIDE = register('WIDE', 0x20, 64, '', {
  LOW: bits(31, 4, 'RW', ''),
  FLAG: bit(32, 'RW1C', ''),
  HIGH: bits(63, 40, 'RW', ''),
});
const PLACED = layout('PLACED', 64, '', { LOW: bits(31, 0, 'RW', ''), HIGH: bits(63, 32, 'RW1C', '') });
const ALL = [RO, ROS, RW, RWL, WO, RW1C, RW1CS, RW1S, RWS, WIDE, { layout: PLACED, offset: 0x40 }];
const make = () => new RegisterFile(0x100, ALL);

describe('A write', () => {
  it.each([
    { name: 'RO', offset: 0x00, after: 0xa5a5 },
    { name: 'ROS', offset: 0x04, after: 0xa5a5 },
    { name: 'RW', offset: 0x08, after: 0x0ff0 },
    { name: 'RWL', offset: 0x0c, after: 0x0ff0 },
    { name: 'WO', offset: 0x10, after: 0xa5a5 },
    { name: 'RW1C', offset: 0x14, after: 0xa005 },
    { name: 'RW1CS', offset: 0x18, after: 0xa005 },
    { name: 'RW1S', offset: 0x28, after: 0xaff5 },
    { name: 'RWS', offset: 0x2c, after: 0x0ff0 },
  ])('of 0FF0h over A5A5h leaves what the class $name allows.', ({ offset, after }) => {
    const file = make();
    file.words[offset / 4] = 0xa5a5;
    file.write32(offset, 0x0ff0);
    expect(file.read32(offset)).toBe(after);
    file.write32(offset, 0xffff_0000);
    expect(file.read32(offset), 'bits that no field declares stay 0').toBe(
      offset === 0x08 || offset === 0x0c || offset === 0x2c ? 0 : after,
    );
  });

  it('of some bits of a word leaves the others alone, those that a 1 clears or sets among them.', () => {
    const file = make();
    const seen: number[] = [];
    for (const offset of [0x08, 0x14, 0x28]) {
      file.words[offset / 4] = 0xa5a5;
      file.onWrite(offset, (written) => seen.push(written, file.written(offset)));
      file.write32(offset, 0xffff_0ff0, 0xff);
    }
    expect([0x08, 0x14, 0x28].map((offset) => file.read32(offset))).toEqual([0xa5f0, 0xa505, 0xa5f5]);
    expect(seen).toEqual([0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0]);
  });

  it('where no register is changes nothing, but a hook there still sees it.', () => {
    const file = make();
    const seen: number[] = [];
    file.onWrite(0x80, (written) => seen.push(written));
    file.write32(0x80, 0xffff_ffff);
    expect(file.read32(0x80)).toBe(0);
    expect(seen).toEqual([0xffff_ffff]);
  });

  it('tells the hook of its word the raw value, after it has been stored.', () => {
    const file = make();
    const seen: unknown[] = [];
    file.onWrite(0x10, (written) => seen.push(['WO', written, file.read32(0x10)]));
    file.onWrite(0x08, (written) => seen.push(['RW', written, file.read32(0x08)]));
    file.write32(0x10, -1);
    file.write32(0x08, 0xabcd_1234);
    expect(seen).toEqual([
      ['WO', 0xffff_ffff, 0],
      ['RW', 0xabcd_1234, 0x1234],
    ]);
  });

  it('calls several hooks of one word in the order of their coming.', () => {
    const file = make();
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c']) file.onWrite(0x08, () => seen.push(name));
    file.write32(0x08, 0);
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('of 8 bytes stores both halves, then acts for the lower, then for the upper one.', () => {
    const file = make();
    const seen: unknown[] = [];
    file.onWrite(0x24, (written) => seen.push(['high', written, file.read32(0x20), file.read32(0x24)]));
    file.onWrite(0x20, (written) => seen.push(['low', written, file.read32(0x20), file.read32(0x24)]));
    file.words[0x24 / 4] = 1;
    file.write64(0x20, 0x1234_567f, 0xabcd_ef01);
    expect(seen).toEqual([
      ['low', 0x1234_567f, 0x1234_5670, 0xabcd_ef00],
      ['high', 0xabcd_ef01, 0x1234_5670, 0xabcd_ef00],
    ]);
  });

  it('that is not aligned to 4 bytes or lies outside the page does nothing.', () => {
    const file = make();
    file.words.fill(0x5555_5555);
    const before = [...file.words];
    const seen: number[] = [];
    for (let offset = 0; offset < 0x100; offset += 4) file.onWrite(offset, () => seen.push(offset));
    for (const offset of [1, 2, 3, 5, 0x21, 0x22, 0x23, 0xfd, 0x100, 0x104, -8, 2 ** 32, 2 ** 40, 0.5, Number.NaN]) {
      file.write32(offset, 0xffff_ffff);
      file.write64(offset, -1, -1);
      expect(file.read32(offset)).toBe(0);
    }
    expect([...file.words]).toEqual(before);
    expect(seen).toEqual([]);
  });
});

describe('An access to a device with registers', () => {
  it.each([4, 8])('of %i bytes where it is aligned reads and writes little-endian words.', (length) => {
    const file = make();
    file.writeAligned(0x20, Uint8Array.of(0xf0, 0x22, 0x33, 0x44, 0x00, 0x66, 0x77, 0x88), length);
    const upper = length === 8 ? [0x00, 0x66, 0x77, 0x88] : [0, 0, 0, 0];
    const read = new Uint8Array(9).fill(0xee);
    file.readAligned(0x20, read, 8);
    expect([...read]).toEqual([0xf0, 0x22, 0x33, 0x44, ...upper, 0xee]);
    file.readAligned(0x20, read.fill(0xee), 4);
    expect([...read.subarray(0, 5)]).toEqual([0xf0, 0x22, 0x33, 0x44, 0xee]);
  });

  it.each([
    { offset: 0x20, length: 1 },
    { offset: 0x20, length: 2 },
    { offset: 0x22, length: 4 },
    { offset: 0x24, length: 8 },
    { offset: 0x20, length: 16 },
    { offset: 0x20, length: 0 },
    { offset: -1, length: 4 },
    { offset: 0x100, length: 8 },
  ])('of $length bytes at $offset reads zeros and changes nothing.', ({ offset, length }) => {
    const file = make();
    file.words.fill(0xffff_ffff);
    file.writeAligned(offset, new Uint8Array(16), length);
    expect(file.words.every((word) => word === 0xffff_ffff)).toBe(true);
    const read = new Uint8Array(16).fill(0xee);
    file.readAligned(offset, read, length);
    expect([...read]).toEqual(Array.from(read, (_, i) => (i < length ? 0 : 0xee)));
  });
});

describe('A register file', () => {
  it('tells its fields and its words by name.', () => {
    const file = make();
    file.write64(0x20, 0x1234_5670, 0x0000_2a00);
    expect(file.fieldValues([RO, WIDE])).toEqual({
      'RO.V': 0,
      'WIDE.LOW': 0x123_4567,
      'WIDE.FLAG': 0,
      'WIDE.HIGH': 0x2a,
    });
    expect(file.wordValues([RO, WIDE])).toEqual({ RO: 0, 'WIDE low': 0x1234_5670, 'WIDE high': 0x2a00 });
  });

  it('starts with its power-on values and goes back to them, with its hooks, on reset.', () => {
    const file = make();
    file.initial(RW, { V: 0x1234 });
    file.initial(WIDE, { LOW: 5, HIGH: 0xabcdef });
    file.initialWords(0x00, [0xdead_beef]);
    const expected = [0xdead_beef, 0x1234, 0x50, 0xabcd_ef00];
    const now = () => [0x00, 0x08, 0x20, 0x24].map((offset) => file.read32(offset));
    expect(now()).toEqual(expected);
    let calls = 0;
    file.onWrite(0x08, () => calls++);
    for (const offset of [0x00, 0x08, 0x20, 0x24]) file.write32(offset, 0);
    file.reset();
    expect(now()).toEqual(expected);
    expect(calls).toBe(1);
    file.write32(0x08, 1);
    expect(calls).toBe(2);
  });

  it('takes write access from withheld fields only.', () => {
    const file = make();
    file.withhold(WIDE, ['LOW', 'FLAG']);
    file.words[0x24 / 4] = 1;
    file.write64(0x20, -1, -1);
    expect([file.read32(0x20), file.read32(0x24)]).toEqual([0, 0xffff_ff01]);
    file.withhold(RW1C, ['V']);
    file.words[0x14 / 4] = 0xff;
    file.write32(0x14, 0xff);
    expect(file.read32(0x14)).toBe(0xff);
  });

  it('holds a register that a capability places.', () => {
    const file = make();
    file.words[0x44 / 4] = 0xff;
    file.write64(0x40, 0x1234_5678, 0x0f);
    expect([file.read32(0x40), file.read32(0x44)]).toEqual([0x1234_5678, 0xf0]);
  });

  it('refuses registers that overlap.', () => {
    expect(() => new RegisterFile(0x100, [WIDE, one('X', 0x24, 'RW')])).toThrow('X at 36 overlaps another register');
    expect(() => new RegisterFile(0x100, [RW, { layout: PLACED, offset: 0x04 }])).toThrow('PLACED at 4 overlaps');
  });

  it('obeys, for any sequence of writes, one mask per access class.', () => {
    const writable = [0, 0, 0xffff, 0xffff, 0, 0, 0, 0, 0xffff_fff0, 0xffff_ff00];
    const clearable = [0, 0, 0, 0, 0, 0xffff, 0xffff, 0, 0, 1];
    const write = fc.record({
      word: fc.nat(9),
      wide: fc.boolean(),
      lo: fc.nat(0xffff_ffff),
      hi: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 10, maxLength: 10 }), fc.array(write), (initial, writes) => {
        const file = make();
        initial.forEach((value, i) => {
          file.words[i] = value;
        });
        const twin = initial.map((value) => BigInt(value));
        const store = (i: number, value: number): void => {
          if (i > 9) return;
          const [w, c, v] = [BigInt(writable[i]!), BigInt(clearable[i]!), BigInt(value)];
          twin[i] = (twin[i]! & ~w & ~(v & c)) | (v & w);
        };
        for (const { word, wide, lo, hi } of writes) {
          if (wide) file.write64(word * 4, lo | 0, hi | 0);
          else file.write32(word * 4, lo);
          store(word, lo);
          if (wide) store(word + 1, hi);
        }
        expect([...file.words.subarray(0, 10)].map(BigInt)).toEqual(twin);
      }),
    );
  });
});
