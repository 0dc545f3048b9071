import { it } from 'vitest';
import { minimise, run } from './sequence.ts';
it('tries', () => {
  const from = Number(process.env['FROM'] ?? 1), n = Number(process.env['N'] ?? 200);
  const scalable = process.env['SC'] === '1';
  const t0 = Date.now();
  let stale = 0, acc = 0, settled = 0;
  for (let s = from; s < from + n; s++) {
    const e = run(s, { scalable });
    stale += e.stale; acc += e.accesses; settled += e.settled;
    if (e.failure !== null) { console.log(minimise(s, { scalable })); break; }
  }
  console.log({ stale, acc, settled, ms: Date.now() - t0 });
}, 600000);
