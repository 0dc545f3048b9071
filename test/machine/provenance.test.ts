/** Where the values of the presets come from. */
import { describe, expect, it } from 'vitest';
import { presets, provenance, resolveSpec } from '../../src/machine/index.ts';

/** Numbers that name a thing, or how much of it there is, and cost no time by themselves. */
const STRUCTURE = [
  /^seed$/,
  /^memory\.megabytes$/,
  /^rootComplex\.(maxPayload|readCompletionBoundary)$/,
  /link\.(generation|width|maxPayload)$/,
  /^iommu\.(hostAddressWidth|protectedRegionN|performance\..*|counters\..*)$/,
  /^switches\.\d+\.ports$/,
  // What the model of a device has by default.
  /^devices\.\d+\.(?!deviceTlb)/,
];

/** The numbers in a specification, by path. */
function numbersOf(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value === 'number') return [path.join('.')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => numbersOf(one, [...path, name]));
}

describe.each(Object.keys(presets))('Of machine %s', (name) => {
  const rows = provenance[name]!;

  it('each time, rate and size says what it is, where it comes from and how sure that is.', () => {
    const unsaid = numbersOf(presets[name]).filter(
      (path) => !STRUCTURE.some((one) => one.test(path)) && !rows.some((row) => `${path}.`.startsWith(`${row.path}.`)),
    );
    expect(unsaid).toEqual([]);
    for (const { unit, meaning, certainty, source } of rows) {
      expect([unit, meaning]).not.toContain('');
      // What nobody has measured may have no source; everything else has one.
      if (certainty !== 'assumed') expect(source, meaning).not.toBe('');
    }
  });

  it('these are the values that the machine is built with.', () => {
    const spec: unknown = resolveSpec(name);
    for (const { path, value } of rows) {
      const built = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], spec);
      expect(built, path).toMatchObject(typeof value === 'object' ? (value as object) : (built as object));
      if (typeof value !== 'object') expect(built).toBe(value);
    }
  });
});
