/** What becomes of a declaration that is switched off (`mutants`), and of its neighbours. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AnyLayout,
  bit,
  bits,
  encode,
  layout,
  layoutsOf,
  mutants,
  undeclared,
} from '../../hardware/bits/index.ts';

const FIELDS = {
  A: bit(0, 'RW', 'a bit'),
  B: bits(11, 4, 'RW', 'a byte'),
  WIDE: bits(63, 24, 'RW', 'across two words'),
  IGNORED_95_64: bits(95, 64, 'RW', 'ignored'),
};

function declare(off: readonly string[]) {
  mutants.off = new Set(off);
  return layout('thing', 96, 'nowhere', FIELDS);
}

const ONES = Uint32Array.of(0xffff_ffff, 0xffff_ffff, 0xffff_ffff);

afterEach(() => {
  mutants.off = new Set();
});

describe('A field that is switched off', () => {
  it.each(['B', 'WIDE'] as const)('reads 0 and takes no value: %s', (name) => {
    const field = declare([`thing.${name}`])[name];
    expect([field.get(ONES), field.big(ONES), field.address(ONES), field.isSet(ONES), field.mask]).toEqual([
      0,
      0n,
      0,
      false,
      0,
    ]);
    const words = ONES.slice();
    field.set(words, 0);
    field.setBig(words, 0n);
    field.setAddress(words, 0);
    expect(words).toEqual(ONES);
    const zeros = new Uint32Array(3);
    field.set(zeros, 0x7f);
    field.setBig(zeros, (1n << 40n) - 1n);
    field.setAddress(zeros, 0xfff_f000);
    expect(zeros).toEqual(new Uint32Array(3));
  });

  it('leaves the other fields as they are.', () => {
    const of = declare(['thing.WIDE', 'other.B', 'A']);
    expect(encode(of, { A: 1, B: 0xff, WIDE: 0xff, IGNORED_95_64: 1 })).toEqual(Uint32Array.of(0xff1, 0, 1));
  });

  it('does not make its bits reserved, unless to be ignored is all that it does.', () => {
    const whole = undeclared(declare([]));
    expect(whole).toEqual(Uint32Array.of(0x00ff_f00e, 0, 0));
    expect(undeclared(declare(['thing.B', 'thing.WIDE']))).toEqual(whole);
    expect(undeclared(declare(['thing.IGNORED_95_64']))).toEqual(Uint32Array.of(0x00ff_f00e, 0, 0xffff_ffff));
  });
});

describe('A structure that is switched off', () => {
  it('has lost all its fields.', () => {
    const of = declare(['thing']);
    expect(of.$.fields.map((field) => field.get(ONES))).toEqual([0, 0, 0, 0]);
  });
});

it('The layouts of a module are all that it exports, also in arrays, and nothing else.', () => {
  const [one, two] = [declare([]), declare([])] satisfies AnyLayout[];
  expect(layoutsOf({ one, number: 1, list: [two, 'text', null], nothing: null, code: { A: 1 } })).toEqual([one, two]);
});
