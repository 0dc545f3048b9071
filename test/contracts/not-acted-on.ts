/** A list of what no model acts on names rows that there are, each under one reason. */
import { expect, it } from 'vitest';
import type { Catalogue } from '../../hardware/bits/index.ts';

export function notActedOnContract(listed: Readonly<Record<string, readonly string[]>>, { rows }: Catalogue): void {
  const patterns = Object.values(listed).flat();
  const matches = (pattern: string, row: string): boolean => {
    const parts = pattern.split('*');
    return row.startsWith(parts[0]!) && row.endsWith(parts.at(-1)!) && parts.every((part) => row.includes(part));
  };

  it.each(patterns)('is declared: %s.', (pattern) => {
    expect([...rows].some((row) => matches(pattern, row))).toBe(true);
  });

  it('has one reason each.', () => {
    const twice = [...rows].filter((row) => patterns.filter((pattern) => matches(pattern, row)).length > 1);
    expect(twice).toEqual([]);
  });
}
