import { describe, expect, it } from 'vitest';
import { type AnyLayout, maskOf } from '../../hardware/bits/index.ts';
import { ConfigSpace, type ConfigSpec, PortType, virtualConfig } from '../../hardware/pcie/index.ts';
import { EVERYTHING, PLAIN, ROOT_PORT } from './config-functions.ts';

const PHYSICAL = new ConfigSpace(EVERYTHING);
const FUNCTIONS: readonly (readonly [string, () => ConfigSpace])[] = [
  ['an endpoint with one of everything', () => new ConfigSpace(EVERYTHING)],
  ['a plain endpoint', () => new ConfigSpace(PLAIN)],
  ['a root port', () => new ConfigSpace(ROOT_PORT)],
  ['an integrated endpoint', () => new ConfigSpace({ ...EVERYTHING, portType: PortType.INTEGRATED_ENDPOINT })],
  ['a conventional function', () => new ConfigSpace({ ...PLAIN, conventional: true, msiVectors: 1 } as ConfigSpec)],
  ['a virtual function', () => new ConfigSpace(virtualConfig(EVERYTHING), { physical: PHYSICAL, index: 0 })],
];

const ACCESSES = [1, 2, 4].flatMap((size) => [0, 1, 2, 3].map((lane) => [size, lane] as const));
const WORDS = 1024;

/** Bits that software can change, by what their layouts say: all others are read-only or reserved. */
function changeable(config: ConfigSpace): Uint32Array {
  const all = new Uint32Array(WORDS);
  const isWritable = ({ access }: { access: string }) => !['RO', 'ROS', 'WO'].includes(access);
  for (const { layout, offset } of config.registers) {
    all.set(
      maskOf(layout, ({ spec }) => isWritable(spec)),
      offset / 4,
    );
  }
  return all;
}

const dump = (config: ConfigSpace) => Uint32Array.from({ length: WORDS }, (_, i) => config.read(i * 4, 4));
const declared = (layout: AnyLayout) => maskOf(layout, () => true);

describe.each(FUNCTIONS)('The configuration space of %s', (_, make) => {
  it.each(ACCESSES)('takes any write of %i bytes at lane %i and keeps what is read-only', (size, lane) => {
    for (const value of [0xffff_ffff, 0x5a5a_a5a5, 0]) {
      const config = make();
      const before = dump(config);
      const writable = changeable(config);
      for (let word = 0; word < WORDS; word++) config.write(word * 4 + lane, size, value);
      const changed = dump(config).map((now, i) => (now ^ before[i]!) & ~writable[i]!);
      // PRI's Stopped says what Enable has done; it is not defined while Enable is 1.
      const stopped = findPriStatus(config);
      if (stopped > 0) changed[stopped / 4]! &= ~(1 << 24);
      expect([...changed.entries()].filter(([, bits]) => bits !== 0)).toEqual([]);
    }
  });

  it('reads 0 in every bit that is not declared, whatever is written', () => {
    const config = make();
    for (let word = 0; word < WORDS; word++) config.write(word * 4, 4, 0xffff_ffff);
    const known = new Uint32Array(WORDS);
    for (const { layout, offset } of config.registers) known.set(declared(layout), offset / 4);
    const undeclared = dump(config).map((now, i) => now & ~known[i]!);
    expect([...undeclared.entries()].filter(([, bits]) => bits !== 0)).toEqual([]);
  });

  it('reads 0 and takes no write across words and outside', () => {
    const config = make();
    const before = dump(config);
    for (const [offset, size] of [
      [3, 2],
      [1, 4],
      [0x81, 4],
      [4096, 4],
      [-4, 4],
      [0.5, 1],
      [0, 8],
    ] as const) {
      config.write(offset, size, 0xffff_ffff);
      expect(config.read(offset, size)).toBe(0);
    }
    expect(dump(config)).toEqual(before);
  });

  it('is after a reset what it was before anything was written', () => {
    const config = make();
    config.describePlace(4, 8, true);
    const before = dump(config);
    for (let word = 0; word < WORDS; word++) config.write(word * 4, 4, 0xffff_ffff);
    config.reset();
    expect(dump(config)).toEqual(before);
  });
});

function findPriStatus(config: ConfigSpace): number {
  const place = config.registers.find(({ layout }) => layout.$.name.startsWith('Page request'));
  return place === undefined ? -1 : place.offset + 4;
}
