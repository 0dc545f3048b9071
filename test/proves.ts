/**
 * How a test says what it proves. `docs/vtd.md` and `docs/amd-vi.md` call a row acted on only where the tests that claim it
 * fail when the row is switched off; `npm run prove` finds out, and reads the claims of a run from the meta data of its
 * tests.
 */
import { TestRunner } from 'vitest';
import { CATALOGUE as AMDVI } from '../hardware/amdvi/rows.ts';
import { CATALOGUE as VTD } from '../hardware/vtd/rows.ts';

/** By the name that scripts/rooms.mjs knows them by. */
const ROOMS = { vtd: VTD.rows, amdvi: AMDVI.rows } as const;

export interface Claim {
  readonly room: keyof typeof ROOMS;
  readonly row: string;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Rows that the test claims to prove. */
    proves?: Claim[];
  }
}

/** The room in which a row is declared; no name is declared in two. */
export function roomOf(row: string): Claim['room'] | undefined {
  return (Object.keys(ROOMS) as Claim['room'][]).find((room) => ROOMS[room].has(row));
}

/** The running test fails when one of these registers, structures, NAME.FIELDs or conditions is switched off. */
export function proves(...rows: readonly string[]): void {
  const claims = rows.map((row): Claim => {
    const room = roomOf(row);
    if (room === undefined) throw new Error(`nothing that is declared is called ${row}`);
    return { room, row };
  });
  const test = TestRunner.getCurrentTest();
  if (test === undefined) throw new Error('proves() stands inside a test');
  test.meta.proves = [...(test.meta.proves ?? []), ...claims];
}
