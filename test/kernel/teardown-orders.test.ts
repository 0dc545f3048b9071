/** Descriptors are closed in any order, one after the other and all at once, while devices work and wait for pages. */
import { describe, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { Busy, VENDORS } from './teardown-bench.ts';
import { PERSONALITIES } from './teardown-personalities.ts';

const DEEDS = ['plain device', 'asking device', 'spaces', 'process'] as const;
type Deed = (typeof DEEDS)[number];

const CASES = VENDORS.flatMap(([vendor, make]) => PERSONALITIES.map((api) => [vendor, api.path, make, api] as const));

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

function close(s: Busy, deed: Deed): Script<number> {
  const { program } = s;
  if (deed === 'process') return program.exit();
  return program.close({ 'plain device': s.plainFd, 'asking device': s.askerFd, spaces: s.fd }[deed]);
}

describe.each(CASES)('On %s a program with %s', (_, __, make, api) => {
  it.each(permutations(DEEDS))('loses %s, %s, %s, %s in this order, and nothing is left.', (...order) => {
    const s = new Busy(make(), api);
    s.bench.run(
      (function* () {
        yield* s.start();
        for (const deed of order) {
          yield ns(700);
          yield* close(s, deed);
        }
      })(),
    );
    s.expectNothingLeft();
  });

  it.each(permutations(DEEDS))('loses %s, %s, %s, %s at once, and nothing is left.', (...order) => {
    const s = new Busy(make(), api);
    s.bench.run(
      (function* () {
        yield* s.start();
        yield ns(3_000);
        for (const deed of order) s.thread(() => close(s, deed));
      })(),
    );
    s.expectNothingLeft();
  });
});
