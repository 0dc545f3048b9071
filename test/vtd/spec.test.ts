/** Holds the declarations of hardware/vtd/spec against vectors that were transcribed by hand from the specification. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyLayout, decode, encode, maskOf, undeclared } from '../../hardware/bits/index.ts';
import { CATALOGUE } from '../../hardware/vtd/rows.ts';
import * as spec from '../../hardware/vtd/spec/index.ts';
import { notActedOnContract } from '../contracts/not-acted-on.ts';
import conditionVectors from '../vectors/vtd/conditions.json' with { type: 'json' };
import registerVectors from '../vectors/vtd/registers.json' with { type: 'json' };
import structureVectors from '../vectors/vtd/structures.json' with { type: 'json' };

type Word = string;
type Fields = Readonly<Record<string, number | string>>;
interface StructureVector {
  readonly layout: string;
  readonly from?: string;
  readonly note?: string;
  readonly raw: readonly Word[];
  readonly reserved?: readonly Word[];
  readonly fields: Fields;
}
interface MaskVector {
  readonly layout: string;
  readonly masks: readonly Word[];
  readonly more?: readonly Word[];
}
type ConditionVector = readonly [table: string, layout: string, Readonly<Record<string, readonly Word[]>>];
type RegisterVector = readonly [string, string | null, number, Readonly<Record<string, readonly [Word, string]>>];

const structures = structureVectors.structures as unknown as readonly StructureVector[];
const qemuMasks = structureVectors.qemu.masks as readonly MaskVector[];
const { reserved, ignored } = conditionVectors as unknown as Record<'reserved' | 'ignored', readonly ConditionVector[]>;
const registers = registerVectors.registers as unknown as readonly RegisterVector[];

/** Every layout of the room, by the name of its constant. */
const layouts = new Map<string, AnyLayout>(
  Object.entries(spec).flatMap(([name, value]): [string, AnyLayout][] => {
    if (isLayout(value)) return [[name, value]];
    if (Array.isArray(value)) return value.filter(isLayout).map((one, i) => [`${name}[${i}]`, one]);
    return [];
  }),
);
const layoutNames = new Set([...layouts.values()].map((one) => one.$.name));

function isLayout(value: unknown): value is AnyLayout {
  return typeof value === 'object' && value !== null && '$' in value;
}

function layoutOf(name: string): AnyLayout {
  const found = layouts.get(name);
  if (found === undefined) throw new Error(`no layout is called ${name}`);
  return found;
}

function big(text: number | string): bigint {
  return BigInt(typeof text === 'string' ? text.replaceAll('_', '') : text);
}

/** The 32-bit words of a vector whose words have `of.$.bits` or 64 bits. */
function wordsOf(of: AnyLayout, raw: readonly Word[]): Uint32Array {
  const words = raw.flatMap((text) => [Number(big(text) & 0xffff_ffffn), Number(big(text) >> 32n)]);
  return Uint32Array.from(words.slice(0, of.$.words));
}

function toBig(words: Uint32Array): bigint {
  return words.reduceRight((value, word) => (value << 32n) | BigInt(word), 0n);
}

/** What `field` alone covers, as one number. */
function maskOfField(of: AnyLayout, name: string): bigint {
  const { width } = of.$.fields.find((field) => field.name === name)!;
  return toBig(encode(of, { [name]: (1n << BigInt(width)) - 1n }));
}

describe('Registers of VT-d', () => {
  const byName = new Map([...layouts.values()].map((one) => [one.$.name, one]));

  it.each(registers)(
    '%s has the place, the fields and the access classes of its table.',
    (name, offset, width, fields) => {
      const of = byName.get(name)!;
      expect(of.$.offset).toBe(offset === null ? undefined : Number(offset));
      expect(of.$.bits).toBe(width);
      const declared = of.$.fields.map((field) => [field.name, [maskOfField(of, field.name), field.spec.access]]);
      const wanted = Object.entries(fields).map(([field, [mask, access]]) => [field, [big(mask), access]]);
      expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(wanted));
    },
  );

  it('that stand at fixed places do not overlap, and none is left out of the register map.', () => {
    const mapped = Object.values(spec.REGISTERS).flat() as AnyLayout[];
    const inOrder = [...mapped].sort((a, b) => a.$.offset! - b.$.offset!);
    for (const [i, { $ }] of inOrder.entries()) {
      const next = inOrder[i + 1]?.$.offset ?? 0x1000;
      expect($.offset! + $.bits / 8, $.name).toBeLessThanOrEqual(next);
    }
    const fixed = [...layouts.values()].filter((one) => one.$.offset !== undefined);
    expect(new Set(mapped)).toEqual(new Set(fixed));
  });

  it('begin with nothing but interrupt masks set, besides what reports capabilities.', () => {
    const values = Object.values(spec.POWER_ON).flat();
    expect(values.map(({ register, values }) => [register.$.name, toBig(encode(register, values))])).toEqual([
      ['FECTL_REG', 0x8000_0000n],
      ['IECTL_REG', 0x8000_0000n],
      ['PECTL_REG', 0x8000_0000n],
      ['PERFINTRCTL_REG', 0x8000_0000n],
    ]);
  });

  it('keep the one-shot bits out of the mask with which software carries GSTS over to GCMD.', () => {
    const oneShot = ['SRTP', 'WBF', 'SIRTP'].reduce((mask, name) => mask | maskOfField(spec.GCMD, name), 0n);
    // 11.4.4.1 also clears bit 29, which was one-shot until revision 3.4.
    expect(0xffff_ffffn & ~oneShot & ~0x2000_0000n).toBe(0x96ff_ffffn);
  });
});

describe('Structures of VT-d', () => {
  it.each(structures)('$layout $raw decodes to its fields and encodes back.', ({ layout, raw, fields }) => {
    const of = layoutOf(layout);
    const words = wordsOf(of, raw);
    const set = Object.entries(decode(of, words)).filter(([, value]) => value !== 0n);
    const wanted = Object.entries(fields).map(([name, value]) => [name, big(value)] as const);
    expect(Object.fromEntries(set)).toEqual(Object.fromEntries(wanted));
    expect(encode(of, Object.fromEntries(wanted))).toEqual(words);
  });

  const masked = structures.filter(({ reserved }) => reserved !== undefined);
  it.each(masked)('$layout reserves $reserved and nothing else.', ({ layout, reserved }) => {
    expect(undeclared(layoutOf(layout))).toEqual(wordsOf(layoutOf(layout), reserved!));
  });

  it('each have a vector.', () => {
    const inMemory = [...layouts].filter(([, one]) => one.$.offset === undefined && !one.$.name.endsWith('_REG'));
    const vectors = new Set(structures.map(({ layout }) => layout));
    expect(inMemory.map(([name]) => name).filter((name) => !vectors.has(name))).toEqual([]);
  });

  it.each(qemuMasks)('$layout reserves what QEMU checks, except for $more', ({ layout, masks, more }) => {
    const of = layoutOf(layout);
    const ours = undeclared(of).slice(0, masks.length * 2);
    const more32 = wordsOf(of, more ?? masks.map(() => '0x0'));
    expect(ours.map((word, i) => word | more32[i]!)).toEqual(wordsOf(of, masks).slice(0, masks.length * 2));
    expect(ours.every((word, i) => (word & more32[i]!) === 0)).toBe(true);
  });
});

describe('Conditions on fields of VT-d', () => {
  it.each([...reserved, ...ignored])(
    '%s says which bits of %s a capability or a type takes out of use.',
    (name, layout, masks) => {
      const of = layoutOf(layout);
      const table = Object.entries((spec as unknown as Record<string, Record<string, readonly string[]>>)[name]!);
      const ours = table.map(([key, fields]) => [key, maskOf(of, (field) => fields.includes(field.name))]);
      const wanted = Object.entries(masks).map(([key, words]) => {
        const padded = new Uint32Array(of.$.words);
        padded.set(wordsOf(of, words));
        return [key, padded];
      });
      expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(wanted));
    },
  );

  it('are all in the vectors.', () => {
    const tables = Object.keys(spec).filter((name) => /_(RESERVED_WITHOUT|IGNORED_FOR)$/.test(name));
    expect(tables.sort()).toEqual([...reserved, ...ignored].map(([name]) => name).sort());
  });

  it('agree with the table of descriptors.', () => {
    const conditional = spec.DESCRIPTORS.filter((one) => Object.keys(one.reservedWithout).length > 0);
    expect(conditional.map(({ name, reservedWithout }) => [name, Object.keys(reservedWithout)])).toEqual([
      ['DEVICE_TLB_INVALIDATE', ['DIT']],
      ['INVALIDATION_WAIT', ['PDS']],
      ['PASID_DEVICE_TLB_INVALIDATE', ['DIT']],
    ]);
  });
});

describe('Invalidation descriptors', () => {
  it('are ten, whose vectors carry the type that the table gives them.', () => {
    const types = spec.DESCRIPTORS.map(({ type }) => type);
    expect(types).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const { type, name, layout, bits } of spec.DESCRIPTORS) {
      expect(layout).toBe(layoutOf(name));
      expect(layout.$.bits).toBe(bits);
      expect(structures.find((vector) => vector.layout === name)!.fields['TYPE']).toBe(type);
    }
  });

  it('have 128 bits up to type 5 and 256 bits from type 6, which legacy mode does not take.', () => {
    for (const { type, bits, modes } of spec.DESCRIPTORS) {
      expect(bits).toBe(type <= 5 ? 128 : 256);
      expect(modes).toEqual(type <= 5 ? ['legacy', 'scalable', 'abort-DMA'] : ['scalable', 'abort-DMA']);
    }
  });

  it('of device-TLBs, page responses and host permissions need the capability.', () => {
    const needs = spec.DESCRIPTORS.filter((one) => one.needs.length > 0).map(({ type, needs }) => [type, ...needs]);
    expect(needs).toEqual([
      [3, 'DT'],
      [8, 'DT'],
      [9, 'PRS'],
      [10, 'HPTS'],
    ]);
  });
});

describe('Layouts of VT-d', () => {
  const named = [...layouts];

  it.each(named)('%s: writing one field touches no other.', (_, of) => {
    const words = new Uint32Array((of.$.offset ?? 0) / 4 + of.$.words);
    for (const field of of.$.fields) {
      for (const background of [0, 0xffff_ffff, 0xa5a5_a5a5]) {
        words.fill(background);
        const before = decode(of, words, 0);
        const value = before[field.name]! ^ ((1n << BigInt(field.width)) - 1n);
        field.setBig(words, value);
        expect(decode(of, words, 0)).toEqual({ ...before, [field.name]: value });
        field.setBig(words, before[field.name]!);
        expect(words.every((word) => word === background)).toBe(true);
      }
    }
  });

  it.each(named)('%s: what is set is read back, as a number and as a bigint.', (_, of) => {
    const words = new Uint32Array((of.$.offset ?? 0) / 4 + of.$.words);
    for (const field of of.$.fields) {
      fc.assert(
        fc.property(fc.bigInt({ min: 0n, max: (1n << BigInt(field.width)) - 1n }), (value) => {
          field.setBig(words, value);
          expect(field.big(words)).toBe(value);
          const exact = value & ((1n << 53n) - 1n);
          field.set(words, Number(exact));
          expect(field.get(words)).toBe(Number(exact));
        }),
        { numRuns: 20 },
      );
    }
  });

  it('name the section of the specification in which they stand.', () => {
    for (const [name, of] of named) expect(of.$.reference, name).toMatch(/^VT-d \d+(\.\d+)+$/);
  });

  it('have code points that fit their fields.', () => {
    for (const [name, of] of named) {
      for (const field of of.$.fields) {
        for (const value of Object.values(field.spec.values ?? {})) {
          expect(value, `${name}.${field.name}`).toBeLessThan(2 ** field.width);
        }
      }
    }
  });

  it('have names of their own.', () => {
    expect(layoutNames.size).toBe(layouts.size);
  });
});

describe('What is not acted on', () => {
  notActedOnContract(spec.NOT_ACTED_ON, CATALOGUE);

  it.each([
    ['MTRR_FIX4K_C8000_REG', /^memory types/],
    ['MTRR_FIX4K_C8000_REG.R3', /^memory types/],
    ['FS-PDE (2 MiB page).PAT', /^memory types/],
    ['I/O APIC redirection entry (remappable).MASK', /I\/O APIC/],
    ['iotlb_inv_dsc.DW', /drains all requests/],
  ])('has a reason that a row finds: %s.', (row, reason) => {
    expect(spec.whyNotActedOn(row)).toMatch(reason);
  });

  it.each([
    'FSTS_REG.PFO',
    'inv_wait_dsc',
    'PASID-table entry',
    'PASID-table entry.PATH',
    'LGN.1.1',
    'ECCAP_REG_3.ECNTS',
  ])('is not: %s.', (row) => {
    expect(spec.whyNotActedOn(row)).toBeUndefined();
  });
});
