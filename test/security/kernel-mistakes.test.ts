/** The table of kernel mistakes says what is true: what it names is there, and nothing is left out. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { MISTAKES, type Place } from './kernel-mistakes.ts';

const TESTS = new URL('../', import.meta.url);
/** A whole string of the file. */
const isTitled = (text: string, title: string) => [`'${title}'`, `"${title}"`].some((quoted) => text.includes(quoted));

function isThere(place: Place): boolean {
  if (typeof place === 'string') return scenarios.some(({ name }) => name === place);
  const [file, title] = place;
  return isTitled(readFileSync(new URL(file, TESTS), 'utf8'), title);
}

const places = MISTAKES.flatMap(({ made = [], avoided = [] }) => [...made, ...avoided]);

describe('The table of mistakes that kernels have made', () => {
  it.each(MISTAKES)('names what is there: $what ($known)', ({ made = [], avoided = [], reason }) => {
    expect([...made, ...avoided].filter((place) => !isThere(place))).toEqual([]);
    // Both, or the reason why not.
    expect(made.length > 0 && avoided.length > 0).toBe(reason === undefined);
  });

  it('knows each mistake once', () => {
    const known = MISTAKES.flatMap((mistake) => mistake.known);
    expect(known).toEqual([...new Set(known)]);
  });

  it('leaves none of the tests out that make mistakes on a machine', () => {
    const named = new Set(places.map((place) => (typeof place === 'string' ? place : place[0])));
    const files = readdirSync(new URL('security/', TESTS)).filter((file) =>
      /^kernel-(?!mistakes).*\.test\.ts$/.test(file),
    );
    expect(files.length).toBeGreaterThan(7);
    expect(files.filter((file) => !named.has(`security/${file}`))).toEqual([]);
  });

  it('does not find what is not there', () => {
    expect(isThere('99-nothing')).toBe(false);
    expect(isThere(['security/kernel-stale.test.ts', 'translations at an unmap'])).toBe(false);
  });
});
