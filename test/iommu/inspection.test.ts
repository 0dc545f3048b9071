import { describe, expect, it } from 'vitest';
import { bit, bits, layout, register } from '../../hardware/bits/index.ts';
import { Explainer, entryView } from '../../hardware/iommu/index.ts';

const ENTRY = layout('entry', 128, 'Somewhere 1.2', {
  P: bit(0, 'RW', 'Present'),
  KIND: bits(3, 2, 'RW', 'Kind', { PLAIN: 0, ODD: 2 }),
  PTR: bits(51, 12, 'RW', 'Next table'),
  ATTRIBUTES: bits(127, 96, 'RW', 'Wide, but no address'),
});

describe('the view of an entry', () => {
  it('has its value, and each field with its place, its value as it is read and its meaning', () => {
    const view = entryView(ENTRY, Uint32Array.of(0x1234_5009, 1, 0, 0x10), 0x2000);
    expect(view).toMatchObject({ what: 'entry', address: 0x2000, bits: 128, reference: 'Somewhere 1.2' });
    expect(view.value).toBe(0x10_0000_0000_0000_0001_1234_5009n);
    expect(view.fields.map(({ name, bits: place, text }) => [name, place, text])).toEqual([
      ['P', '0', '1'],
      ['KIND', '3:2', '2 (ODD)'],
      ['PTR', '51:12', '0x112345000'],
      ['ATTRIBUTES', '127:96', '0x10'],
    ]);
  });

  it('shows a code point without a name as a number', () => {
    const view = entryView(ENTRY, Uint32Array.of(0b1100, 0, 0, 0), 0);
    expect(view.fields[1]!.text).toBe('3');
  });

  it('finds a register in its page, wherever its layout or a capability places it', () => {
    const REG = register('REG', 8, 32, 'Somewhere 3.4', { LOW: bits(3, 0, 'RO', 'Low') });
    const page = Uint32Array.of(0, 0, 0x5, 0x7, 0xb, 0xd);
    expect(entryView(REG, page, 8, 2).fields[0]!.value).toBe(5n);
    expect(entryView(REG, page, 16, 4).fields[0]!.value).toBe(11n);
    const PLACED = layout('PLACED', 64, 'Somewhere 3.5', {
      LOW: bits(3, 0, 'RO', 'Low'),
      HIGH: bits(35, 32, 'RO', 'High'),
    });
    expect(entryView(PLACED, page, 12, 3, 'PLACED[1]')).toMatchObject({
      what: 'PLACED[1]',
      value: 0xb_0000_0007n,
      fields: [{ value: 7n }, { value: 11n }],
    });
  });
});

describe('an explainer', () => {
  it('keeps every cache that is looked up and every entry that is fetched, in their order and as they were', () => {
    const explainer = new Explainer((what) => (what === 'entry' ? ENTRY : undefined));
    const words = new Uint32Array(16);
    explainer.cache('IOTLB', false, 'requester 8');
    words.set([0x2001, 0, 0, 0, 99]);
    explainer.read('entry', 0x1000, words, 4);
    explainer.cache('second-stage paging-structure cache', true, 'domain 3');
    words.set([0x77, 1]);
    explainer.read('something else', 0x3000, words, 2);
    words.fill(0);
    expect(explainer.steps).toMatchObject([
      { kind: 'cache', cache: 'IOTLB', hit: false, detail: 'requester 8' },
      { kind: 'read', what: 'entry', address: 0x1000, value: 0x2001n },
      { kind: 'cache', cache: 'second-stage paging-structure cache', hit: true },
      { kind: 'read', what: 'something else', address: 0x3000, value: 0x1_0000_0077n, bits: 64, fields: [] },
    ]);
  });
});
