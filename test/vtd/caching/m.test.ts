import { it } from 'vitest';
import { LEGACY_MUTANTS } from './legacy-mutants.ts';
import { SCALABLE_MUTANTS } from './scalable-mutants.ts';
import { run } from './sequence.ts';
it('m', () => {
  for (const m of [...LEGACY_MUTANTS, ...SCALABLE_MUTANTS]) {
    const t0 = Date.now();
    let s = 1;
    let f: string | null = null;
    for (; s <= 500 && f === null; s++) f = run(s, m).failure;
    console.log(m.scalable ? 'S' : 'L', m.name, f === null ? 'SURVIVED' : s - 1, Date.now() - t0, f);
  }
}, 600000);
