import { describe, expect, it } from 'vitest';
import {
  ackLimit,
  type DllpModel,
  type Generation,
  linkRate,
  type PayloadSize,
  updateFcLimit,
  type Width,
} from '../../hardware/pcie/index.ts';
import { open, write } from './link-bench.ts';

const gigabits = (generation: number, width: number, dllp: DllpModel, maxPayload = 256) => {
  const rate = linkRate(generation as Generation, width as Width, dllp, maxPayload as PayloadSize);
  return (8000 * rate.denominator) / rate.numerator;
};

describe('The latency limits of Ack and UpdateFC', () => {
  // PCI Express Base Specification 5.0, tables 3-7 to 3-9 (Ack) and 2-46 to 2-48 (UpdateFC), as pcie-model lists them.
  it.each([
    [1, 1, [237, 416, 559, 1071, 2095, 4143]],
    [1, 2, [128, 217, 289, 545, 1057, 2081]],
    [1, 8, [67, 107, 86, 150, 278, 534]],
    [1, 16, [48, 72, 86, 150, 278, 534]],
    [2, 4, [124, 169, 205, 333, 589, 1101]],
    [2, 16, [99, 123, 137, 201, 329, 585]],
    [3, 1, [333, 512, 655, 1167, 2191, 4239]],
    [3, 8, [163, 203, 182, 246, 374, 630]],
    [4, 16, [144, 168, 182, 246, 374, 630]],
    [5, 32, [129, 141, 148, 180, 244, 372]],
    [6, 4, [169, 214, 250, 378, 634, 1146]],
  ])('of generation %i with %i lanes are those of the tables', (generation, width, published) => {
    const limits = (limit: typeof ackLimit) =>
      ([128, 256, 512, 1024, 2048, 4096] as const).map((payload) =>
        limit(generation as Generation, width as Width, payload),
      );
    expect(limits(ackLimit)).toEqual(published);
    expect(limits(updateFcLimit)).toEqual(published);
  });

  it('have the two slips of the published tables', () => {
    expect([ackLimit(2, 32, 4096), updateFcLimit(2, 32, 4096)]).toEqual([237, 327]);
    expect([ackLimit(1, 32, 2048), updateFcLimit(1, 32, 2048)]).toEqual([148, 248]);
  });
});

describe('The bandwidth that TLPs get', () => {
  it.each([
    [1, 16, 128, 21.25],
    [3, 8, 256, 57.88],
    [3, 8, 128, 56.67],
    [3, 16, 128, 111.7],
    [4, 8, 128, 113.33],
    [4, 16, 128, 223.4],
    [5, 16, 128, 446.8],
  ])(
    'of generation %i x%i with payloads of %i bytes is %d Gb/s in the published model',
    (generation, width, payload, expected) => {
      expect(gigabits(generation, width, 'published', payload)).toBeCloseTo(expected, 2);
    },
  );

  it('is 94.5 % as measured, and all beside what flits set aside without a model', () => {
    expect(gigabits(3, 8, 'measured')).toBeCloseTo(0.945 * 63.015, 2);
    expect(gigabits(3, 8, 'none')).toBe(gigabits(3, 8, 'raw'));
    expect([gigabits(6, 16, 'none'), gigabits(6, 16, 'raw')]).toEqual([944, 968]);
  });

  it('is an exact fraction that never drifts: 143397 in 156107 of generation 3 x8', () => {
    // 1 − 16/203 − 4/1538, of 64 bytes in 8125 ps.
    const opened = open({ generation: 3, width: 8, latency: 0, credits: {}, dllp: 'published' });
    for (let i = 0; i < 1000; i++) write(opened, i);
    opened.engine.run();
    const expected = Array.from({ length: 1000 }, (_, i) => {
      const exact = BigInt((i + 1) * 88 * 8125) * 156_107n;
      const per = 64n * 143_397n;
      return Number((exact + per - 1n) / per);
    });
    expect(opened.arrived.map(([, at]) => at)).toEqual(expected);
  });

  it('counts a digest of four bytes on links that have one', () => {
    const opened = open({ generation: 1, width: 1, latency: 0, ecrc: true });
    write(opened, 0);
    opened.engine.run();
    expect(opened.arrived).toEqual([[0, (24 + 64 + 4) * 4000]]);
    expect(opened.link.state.upstream.bytes).toBe(92);
  });

  it('counts data by the word, and by the byte in the published model', () => {
    const bytes = (dllp: DllpModel) => {
      const opened = open({ dllp });
      write(opened, 0, 65);
      return opened.link.state.upstream.bytes;
    };
    expect([bytes('none'), bytes('measured'), bytes('published'), bytes('raw')]).toEqual([92, 92, 89, 89]);
  });
});
