import { describe, expect, it } from 'vitest';
import type { Point } from '../../src/machine/index.ts';
import {
  choice,
  curveOf,
  formatBytes,
  gridOf,
  keyOf,
  parseChange,
  publishedAt,
  readResults,
  resultAt,
  resultsOf,
  study,
  toLine,
  wholeNumber,
} from '../../src/study/index.ts';

/** How far a ball flies: a study of nothing that needs a machine. */
const BALL = {
  name: 'ball',
  question: 'How far does it fly?',
  setUp: 'A ball.',
  parameters: {
    thrower: choice('who throws', ['child', 'champion']),
    speed: wholeNumber('of the hand', 'm/s', { least: 1, most: 100 }, [10, 20]),
    size: wholeNumber('of the ball', 'B', { least: 1, most: 2 ** 20 }, [1024]),
  },
  outcomes: { distance: { unit: 'm', meaning: 'flown' } },
  plots: [{ title: 'Distance', x: 'speed', y: 'distance', series: 'thrower' }],
  published: {
    groups: ['throws'],
    place: ({ conditions }: Point) =>
      conditions === '' ? undefined : { point: { speed: Number(conditions) }, outcome: 'distance' },
  },
  omit: ({ thrower, speed }: { thrower: string; speed: number }) => thrower === 'child' && speed > 15,
  run: ({ speed }: { speed: number }, seed: number) => ({ distance: speed * speed + seed }),
};
const ball = study(BALL);

describe('A study', () => {
  it('is asked at every point of its grid that makes sense, the last parameter changing fastest', () => {
    expect(gridOf(ball)).toEqual([
      { thrower: 'child', speed: 10, size: 1024 },
      { thrower: 'champion', speed: 10, size: 1024 },
      { thrower: 'champion', speed: 20, size: 1024 },
    ]);
  });

  it('is asked at other values where they are given', () => {
    const changes = Object.fromEntries([parseChange(ball, 'size=4K,1M'), parseChange(ball, 'thrower=child')]);
    expect(gridOf(ball, changes)).toEqual([
      { thrower: 'child', speed: 10, size: 4096 },
      { thrower: 'child', speed: 10, size: 1_048_576 },
    ]);
  });

  it.each([
    ['spead=3', 'study "ball": there is no parameter "spead"; did you mean "speed"?'],
    ['speed=3,fast', 'study "ball": parameter "speed" is a whole number from 1 to 100, and not "fast".'],
    ['speed=', 'study "ball": parameter "speed" is a whole number from 1 to 100, and not "".'],
    ['speed=101', 'study "ball": parameter "speed" is a whole number from 1 to 100, and not 101.'],
    ['thrower=me', 'study "ball": parameter "thrower" is one of "child", "champion", and not "me".'],
    ['speed', 'study "ball": expected parameter=value,..., and not "speed".'],
  ])('refuses %s in one sentence', (text, sentence) => {
    expect(() => gridOf(ball, Object.fromEntries([parseChange(ball, text)]))).toThrow(sentence);
  });

  it('refuses a grid without a point that makes sense', () => {
    const changes = { thrower: ['child'], speed: [90] };
    expect(() => gridOf(ball, changes)).toThrow('study "ball": there is no point that makes sense for it.');
  });

  it.each([
    ['a plot of what it has not', { plots: [{ title: '', x: 'speed', y: 'height' }] }, 'a plot of height'],
    ['one name for two columns', { outcomes: { speed: { unit: '', meaning: '' } } }, 'a parameter and an outcome'],
    [
      'a default value that it does not accept',
      { parameters: { ...BALL.parameters, speed: wholeNumber('', '', { least: 1, most: 2 }, [3]) } },
      'speed may not be 3',
    ],
  ])('cannot be declared with %s', (_, change, reason) => {
    expect(() => study({ ...BALL, ...change } as typeof BALL)).toThrow(reason);
  });

  it('has one key for a point, whatever the order of its values', () => {
    const [a, b] = [
      { thrower: 'child', speed: 10, size: 1 },
      { size: 1, speed: 10, thrower: 'child' },
    ];
    expect(keyOf(ball, a, 1)).toBe(keyOf(ball, b, 1));
    expect(keyOf(ball, a, 2)).not.toBe(keyOf(ball, a, 1));
  });
});

describe('Results', () => {
  const all = gridOf(ball).map((point) => resultAt(ball, point, 1));

  it('are lines that can be joined in any order', () => {
    const text = [...all].reverse().map(toLine).join('');
    expect(resultsOf(ball, gridOf(ball), 1, readResults(text, 'r.jsonl'))).toEqual(all);
  });

  it('are those before a last line that was not written to its end', () => {
    const text = all.map(toLine).join('');
    expect(readResults(text.slice(0, -5), 'r.jsonl')).toEqual(all.slice(0, -1));
  });

  it.each([
    ['not JSON', '{\n', '"r.jsonl", line 1 is not JSON.'],
    ['something else', '{"study":1}\n', '"r.jsonl", line 1 is not the result of a study.'],
  ])('are refused where a line is %s', (_, text, sentence) => {
    expect(() => readResults(text, 'r.jsonl')).toThrow(sentence);
  });
});

describe('Published values', () => {
  const point = (conditions: string, value: Point['value'], group = 'throws'): Point => ({
    id: `at ${conditions}`,
    group,
    conditions,
    quantity: '',
    unit: 'm',
    value,
  });

  it('stand at the points that they say something about', () => {
    const values = curveOf(ball, [point('10', 99), point('', 1), point('20', 'far'), point('20', 400, 'jumps')]);
    expect(values).toEqual([{ id: 'at 10', source: '', point: { speed: 10 }, outcome: 'distance', value: 99 }]);
    expect(publishedAt(values, { thrower: 'child', speed: 10, size: 1 }, 'distance')?.value).toBe(99);
    expect(publishedAt(values, { thrower: 'child', speed: 20, size: 1 }, 'distance')).toBeUndefined();
  });
});

describe('Bytes', () => {
  it.each([
    [1000, '1000'],
    [4096, '4K'],
    [1536, '1536'],
    [1_572_864, '1536K'],
    [2 ** 30, '1G'],
  ])('%i is written %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
