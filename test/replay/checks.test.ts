import { describe, expect, it } from 'vitest';
import { createRig } from '../../hardware/index.ts';
import { type Check, checkRules, explain } from '../../src/cli/replay/checks.ts';
import type { Corpus, RecordedCase } from '../../src/cli/replay/corpus.ts';
import { queueHistory } from '../../src/cli/replay/queue-history.ts';
import { replayCase } from '../../src/cli/replay/replay.ts';
import { full, hasFullRecordings, slice, WHY_SKIPPED } from './recordings.ts';

/** Every register and memory value that differs from the recorder's; of Intel those of the legacy cases. */
function differences(corpus: Corpus): Check[] {
  const found: Check[] = [];
  const { vendor } = corpus;
  for (const recorded of corpus.cases.filter(({ profile }) => vendor === 'amd' || profile.startsWith('legacy'))) {
    const { cap, ecap } = corpus.vendor === 'intel' ? corpus.profiles[recorded.profile]! : { cap: 0n, ecap: 0n };
    replayCase(corpus, recorded, createRig, (step, index, seen) => {
      if (step.op !== 'chk' && step.op !== 'memrd') return;
      const values = step.op === 'chk' ? [step.got] : step.got;
      values.forEach((recorder, i) => {
        const ours = (seen as readonly bigint[])[i]!;
        const at = (step.op === 'chk' ? BigInt(step.off) : step.at) + BigInt(i * 8);
        if (ours !== recorder) found.push({ vendor, cap, ecap, recorded, index, step, at, recorder, ours });
      });
    });
  }
  return found;
}

describe.each([
  { vendor: 'intel' as const, unused: [2, 6, 18] },
  { vendor: 'amd' as const, unused: [10, 11, 12] },
])('rules about register and memory reads of $vendor', ({ vendor, unused }) => {
  const found = differences(slice(vendor));
  const ownRules = checkRules.filter((rule) => rule.vendor === vendor);

  it('explain every difference in the slice, each by one rule', () => {
    expect(found.length).toBeGreaterThan(5);
    for (const check of found) {
      const rules = ownRules.filter((rule) => rule.explains(check));
      expect({ place: `${check.recorded.id}#${check.index}`, rules: rules.length }).toMatchObject({ rules: 1 });
    }
  });

  it('are all used by the slice, but for what its cases do not show', () => {
    const used = new Set(found.map((check) => explain(check)?.number));
    expect(ownRules.map(({ number }) => number).filter((number) => !used.has(number))).toEqual(unused);
  });

  it('explain no other value of ours', () => {
    for (const check of found) {
      for (const bit of [0n, 5n, 16n]) expect(explain({ ...check, ours: check.ours ^ (1n << bit) })).toBeUndefined();
    }
  });

  it('explain no difference in the reads of a case that shows no deviation', () => {
    const corpus = slice(vendor);
    const odd = new Set(found.map(({ recorded }) => recorded));
    for (const recorded of corpus.cases.filter((it) => !odd.has(it))) {
      recorded.steps.forEach((step, index) => {
        if (step.op !== 'chk' && step.op !== 'memrd') return;
        const recorder = step.op === 'chk' ? step.got : step.got[0]!;
        const at = step.op === 'chk' ? BigInt(step.off) : step.at;
        const check = { vendor, cap: 0n, ecap: 4n, recorded, index, step, at, recorder };
        expect(explain({ ...check, ours: recorder ^ 1n })).toBeUndefined();
      });
    }
  });
});

describe('rules about the invalidation queue', () => {
  it('follow the recorder only within its queue, whatever head it read back', () => {
    const recorded = slice('intel').cases.find(({ id }) => id === 'intel-0712-qierr')!;
    const steps = recorded.steps.map((step) =>
      step.op === 'chk' && step.off === 0x80 ? { ...step, got: 1n << 40n } : step,
    );
    expect(queueHistory(recorded, steps.length).written).not.toBeNull();
    expect(queueHistory({ ...recorded, steps }, steps.length).written).toBeNull();
  });

  it('call memory left over only what an earlier case of the same profile really wrote there', ({ skip }) => {
    skip(!hasFullRecordings, WHY_SKIPPED);
    const left = new Map<string, bigint>();
    let leftOvers = 0;
    for (const recorded of full('intel').cases) {
      for (const { at, value, written } of statusReads(recorded)) {
        const place = `${recorded.profile} ${at}`;
        if (written) left.set(place, value);
        else if (value !== 0n) {
          expect({ id: recorded.id, value }).toEqual({ id: recorded.id, value: left.get(place) });
          leftOvers++;
        }
      }
    }
    expect(leftOvers).toBeGreaterThan(20);
  });
});

/** What a recording read at addresses that its own case put nothing to, and whether its queue had written there. */
function statusReads(recorded: RecordedCase) {
  return recorded.steps.flatMap((step, index) => {
    if (step.op !== 'memrd') return [];
    const { memory, written } = queueHistory(recorded, index);
    if (memory.has(step.at) || written === null) return [];
    return [{ at: step.at, value: step.got[0]!, written: written.has(step.at) }];
  });
}
