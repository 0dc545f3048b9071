/**
 * How a test says what it proves. `docs/vtd.md` calls a row acted on only where the tests that claim it fail when the row
 * is switched off; `npm run prove` finds out, and reads the claims of a run from the meta data of its tests.
 */
import { TestRunner } from 'vitest';
import { ROWS } from '../hardware/vtd/rows.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Rows that the test claims to prove. */
    proves?: string[];
  }
}

/** The running test fails when one of these registers, structures, NAME.FIELDs or fault reasons is switched off. */
export function proves(...rows: readonly string[]): void {
  for (const row of rows) if (!ROWS.has(row)) throw new Error(`nothing that is declared is called ${row}`);
  const test = TestRunner.getCurrentTest();
  if (test === undefined) throw new Error('proves() stands inside a test');
  test.meta.proves = [...(test.meta.proves ?? []), ...rows];
}
