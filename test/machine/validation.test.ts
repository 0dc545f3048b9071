import { describe, expect, it } from 'vitest';
import {
  type Point,
  readPoints,
  summarize,
  summarizeKinds,
  type Verdict,
  validatePoint,
} from '../../src/machine/index.ts';
import { errorPct } from '../../src/machine/validation/error.ts';
import { type GroupModel, judge } from '../../src/machine/validation/validate.ts';

const point = (fields: Partial<Point>): Point => ({
  id: 'p',
  group: 'pcie-model',
  conditions: '',
  quantity: '',
  value: 1,
  unit: 'Gb/s',
  ...fields,
});

/** What the link carries under these conditions, printed as the published model prints it. */
const simulated = (conditions: string, quantity: string, id = 'p', unit = 'Gb/s') =>
  validatePoint(point({ conditions, quantity, id, unit })).simulated;

describe('What a link carries is what the published model says', () => {
  const BASE = 'Gen3 x8 MPS256 MRRS512 RCB64 64-bit addr, no ECRC';

  // pcie-model, commit 40703cf: mem_bw.py.
  it.each([
    [64, 42.1, 44.1, 33.08],
    [128, 48.75, 50.06, 42.1],
    [256, 52.92, 53.69, 48.75],
    [512, 52.92, 53.69, 50.75],
    [1024, 52.92, 53.69, 50.75],
    [1500, 52.81, 53.6, 50.6],
  ])('for transfers of %i bytes: MWr %d, MRd %d, both %d Gb/s', (size, write, read, both) => {
    const of = (what: string) =>
      simulated(
        BASE,
        `effective ${what} payload bandwidth (model)`,
        `pciemodel.gen3x8.mps256.mrrs512.${size}B.${what}`,
      );
    expect([of('MWr'), of('MRd'), of('MRd+MWr')]).toEqual([write, read, both]);
  });

  it.each([
    ['gen1 x16', 'raw link bandwidth', 32],
    ['gen2 x32', 'raw link bandwidth', 128],
    ['gen3 x8', 'raw link bandwidth', 63.02],
    ['gen6 x16', 'raw link bandwidth', 968],
    ['gen7 x1', 'raw link bandwidth', 121],
    ['gen3 x8 MPS 256', 'TLP-layer bandwidth after ACK/FC/SKIP', 57.88],
    ['gen1 x32 MPS 2048', 'TLP-layer bandwidth after ACK/FC/SKIP', 58.31],
    ['gen2 x32 MPS 4096', 'TLP-layer bandwidth after ACK/FC/SKIP', 120.21],
    ['Gen4 x16 MPS512 MRRS1024, 1500 B', 'MRd bandwidth', 220.43],
    ['Gen3 x8 MPS256, 32-bit addr, 64 B', 'MWr bandwidth', 44.1],
    ['Gen3 x8 MPS256 MRRS512 with ECRC, 256 B', 'MRd+MWr bandwidth', 47.5],
    ['Gen3 x8 MPS256 MRRS512 RCB64, completions in RCB chunks, 512 B', 'read bandwidth', 44.1],
    ['Gen3 x8 MPS512 MRRS512 RCB128 chunks, 512 B', 'read bandwidth', 49.57],
    ['Gen3 x8 MPS512 MRRS128, 512 B', 'read bandwidth', 55.16],
    ['Gen2 x2 MPS128, transfer size 65', 'write bandwidth', 5.31],
    ['Gen6 x16 MPS256, 1 KiB', 'write bandwidth', 798.44],
    ['Gen1 x1 MPS256, 8 bytes', 'write bandwidth', 0.48],
  ])('for %s: %s %d Gb/s', (conditions, quantity, expected) => {
    expect(simulated(conditions, quantity)).toBe(expected);
  });

  // simple_nic.py and niantic.py as released, and with what is sent added up.
  it.each([
    ['simple NIC RX+TX', 13.23, 12.19],
    ['simple NIC RX', 20.58, 18.16],
    ['simple NIC TX', 21.54, 21.54],
    ['niantic bi-directional', 18.44, 16.47],
    ['kernel NIC RX', 28.09, 23.77],
    ['kernel NIC TX', 24.13, 24.13],
    ['DPDK NIC bi-directional', 21.51, 18.88],
    ['niantic PMD RX', 28.94, 24.37],
    ['niantic PMD TX', 36.19, 36.19],
  ])('for packets of 64 bytes: %s %d Gb/s as released, %d corrected', (nic, released, corrected) => {
    expect(simulated(`${BASE}; packet 64 B`, `${nic} bandwidth`)).toBe(released);
    expect(simulated(`${BASE}; packet 64 B`, `${nic} bandwidth, corrected`)).toBe(corrected);
    expect(simulated(`${BASE}; packet 68 B without FCS`, `${nic} bandwidth`)).toBe(released);
  });

  it('in other units as well', () => {
    const rate = (unit: string) => simulated(`${BASE}; 64 B`, 'MWr bandwidth', 'p', unit);
    expect([rate('Mb/s'), rate('GB/s'), rate('MB/s'), rate('M trans/s')]).toEqual([42098.01, 5.26, 5262.25, 82.22]);
    expect(rate('W')).toBeNull();
  });

  it.each([
    ['no generation', 'x8 MPS256, 64 B', 'MWr bandwidth'],
    ['no width', 'Gen3 MPS256, 64 B', 'MWr bandwidth'],
    ['lanes that no link has', 'Gen3 x3, 64 B', 'MWr bandwidth'],
    ['a payload that no link has', 'Gen3 x8 MPS100, 64 B', 'MWr bandwidth'],
    ['no size', 'Gen3 x8', 'MWr bandwidth'],
    ['another quantity', 'Gen3 x8, 64 B', 'latency'],
  ])('and a point with %s has no model', (_, conditions, quantity) => {
    expect(validatePoint(point({ conditions, quantity }))).toMatchObject({ status: 'no-model', simulated: null });
  });
});

describe('The error of a simulated value', () => {
  it.each([
    ['is relative', 50, 51, 'Gb/s', 2],
    ['has a sign', 50, 49, 'Gb/s', -2],
    ['is relative to the size of a negative value', -50, -51, 'ns', -2],
    ['is a difference in percentage points for per cent', 53, 55.5, '%', 2.5],
    ['is a difference in hundredths for what is below one', 0.25, 0.5, 'misses', 25],
    ['is 0 within a range', [10, 12], 11, 'cachelines', 0],
    ['is that from the nearer end beyond a range', [10, 20], 22, 'cachelines', 10],
    ['does not mind in which order a range is written', [20, 10], 9, 'cachelines', -10],
  ])('%s', (_, published, simulated, unit, expected) => {
    expect(errorPct({ value: published, quantity: '', unit }, simulated)).toBe(expected);
  });
});

describe('A quantity that ends with a bound', () => {
  it.each([
    ['would take more than', 220, 226, 0],
    ['would take more than', 220, 198, -10],
    ['reads under way: at least', 10, 30, 0],
    ['takes less than', 200, 150, 0],
    ['up to', 200, 250, 25],
    ['more than one read', 200, 250, 25],
  ])('%s %i: %i is off by %i %', (quantity, value, simulated, expected) => {
    expect(errorPct({ quantity, value, unit: 'ms' }, simulated)).toBe(expected);
  });
});

describe('A point with several quantities', () => {
  const gen3x8 = {
    group: 'pciebench-paper',
    conditions: 'Gen3 x8',
    quantity: 'physical / TLP-layer bandwidth',
    value: [62.96, 57.88],
    value_text: '62.96 / 57.88',
  };

  it('is simulated one by one, and as far off as the farthest', () => {
    expect(validatePoint(point(gen3x8))).toMatchObject({ simulated: [63.02, 57.88], kind: 'bandwidth' });
    expect(validatePoint(point(gen3x8)).errorPct).toBeCloseTo(0.095, 3);
  });

  it('has no model when one of them has none', () => {
    expect(validatePoint(point({ ...gen3x8, quantity: 'physical / moral bandwidth' })).status).toBe('no-model');
  });
});

describe('A verdict', () => {
  const model: GroupModel = {
    group: 'g',
    recognise: ({ id }) => (id === 'input' ? 'parameter' : id === 'unknown' ? undefined : () => 103),
  };
  const status = (fields: Partial<Point>) => judge(point({ group: 'g', value: 100, ...fields }), [model]).status;

  it('says whether the tolerance is met, and when there is nothing to say', () => {
    expect(status({ suggested_tol_pct: 3 })).toBe('ok');
    expect(status({ suggested_tol_pct: 2.9 })).toBe('off');
    expect(status({})).toBe('compared');
    expect(status({ id: 'input' })).toBe('parameter');
    expect(status({ id: 'unknown' })).toBe('no-model');
    expect(status({ group: 'h' })).toBe('no-model');
    expect(status({ value: '~100' })).toBe('not-numeric');
  });

  it.each([
    ['Gb/s', 'bandwidth'],
    ['M trans/s', 'bandwidth'],
    ['kIOPS', 'bandwidth'],
    ['ns', 'latency'],
    ['cycles', 'latency'],
    ['FPGA cycles (325-425 ns)', 'latency'],
    ['%', 'other'],
    ['misses', 'other'],
  ])('says of what kind a quantity in %s is: %s', (unit, kind) => {
    expect(judge(point({ unit }), []).kind).toBe(kind);
  });

  it('gives the reason why a point has no model, is off or far, where the model knows it', () => {
    const told: GroupModel = { ...model, reason: ({ id }) => (id === 'silent' ? undefined : `because ${id}`) };
    const reason = (fields: Partial<Point>) => judge(point({ group: 'g', value: 100, ...fields }), [told]).reason;
    expect(reason({ id: 'unknown' })).toBe('because unknown');
    expect(reason({ id: 'far', suggested_tol_pct: 2 })).toBe('because far');
    expect(reason({ id: 'near', suggested_tol_pct: 3 })).toBeUndefined();
    expect(reason({ id: 'not near', value: 93, suggested_tol_pct: 20 })).toBe('because not near');
    expect(reason({ id: 'input' })).toBeUndefined();
    expect(reason({ id: 'silent', suggested_tol_pct: 2 })).toBeUndefined();
  });

  it('counts in the summary of its group: parameters and texts nowhere, what has no model against the coverage', () => {
    const kind = 'latency';
    const verdicts: Verdict[] = [
      { id: '1', group: 'g', kind, published: 1, simulated: 1, errorPct: -2, status: 'ok' },
      { id: '2', group: 'g', kind, published: 1, simulated: 1, errorPct: 4, status: 'off' },
      { id: '3', group: 'g', kind, published: 1, simulated: null, errorPct: null, status: 'no-model' },
      { id: '4', group: 'g', kind, published: 1, simulated: null, errorPct: null, status: 'no-model' },
      { id: '5', group: 'g', kind, published: 1, simulated: null, errorPct: null, status: 'parameter' },
      { id: '6', group: 'h', kind, published: 'x', simulated: null, errorPct: null, status: 'not-numeric' },
    ];
    expect(summarizeKinds(verdicts)).toMatchObject([{ kind: 'latency', points: 6, counted: 4, meanErrorPct: 3 }]);
    expect(summarize(verdicts)).toEqual([
      { group: 'g', points: 5, counted: 4, simulated: 2, coveragePct: 50, meanErrorPct: 3, maxErrorPct: 4, off: 1 },
      {
        group: 'h',
        points: 1,
        counted: 0,
        simulated: 0,
        coveragePct: null,
        meanErrorPct: null,
        maxErrorPct: null,
        off: 0,
      },
    ]);
  });
});

describe('A file of points', () => {
  it('may say more than is looked at', () => {
    expect(readPoints([{ ...point({}), source: 'a paper', note: 'hello' }], 'f')).toEqual([
      point({ source: 'a paper' }),
    ]);
  });

  it.each<[unknown, string]>([
    [{}, '"f" is not a list of published points.'],
    [[7], '"f": point 1 is not an object.'],
    [[null], '"f": point 1 is not an object.'],
    [
      [point({}), { ...point({}), unit: undefined }],
      '"f": point 2 (p): expected the field "unit" to be a text, and there is none.',
    ],
    [[{ ...point({}), source: 7 }], '"f": point 1 (p): expected the field "source" to be a text, and it is 7.'],
    [[{ ...point({}), id: 3 }], '"f": point 1: expected the field "id" to be a text, and it is 3.'],
    [
      [{ ...point({}), group: '' }],
      '"f": point 1 (p): expected the field "group" to be a text that is not empty, and it is "".',
    ],
    [
      [{ ...point({}), value: null }],
      '"f": point 1 (p): expected the field "value" to be a number, a list of numbers or a text, and it is null.',
    ],
    [
      [{ ...point({}), value: [] }],
      '"f": point 1 (p): expected the field "value" to be a number, a list of numbers or a text, and it is [].',
    ],
    [
      [{ ...point({}), suggested_tol_pct: -1 }],
      '"f": point 1 (p): expected the field "suggested_tol_pct" to be zero or more per cent, and it is -1.',
    ],
  ])('that is none is answered by one sentence: %j', (data, message) => {
    expect(() => readPoints(data, 'f')).toThrow(message);
  });
});
