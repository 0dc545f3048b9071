import { describe, expect, it } from 'vitest';
import { judge, type RequestContext } from '../../src/cli/replay/compare.ts';
import type { Corpus, DmaStep, Reading, RecordedCase } from '../../src/cli/replay/corpus.ts';
import { dmaRules } from '../../src/cli/replay/deviations.ts';
import { observationOf, recordings } from './recordings.ts';

interface Dma {
  readonly place: string;
  readonly step: DmaStep;
  readonly context: RequestContext;
}

function dmasOf(corpus: Corpus): Dma[] {
  return corpus.cases.flatMap((recorded: RecordedCase) =>
    recorded.steps.flatMap((step, i) => {
      if (step.op !== 'dma') return [];
      const source = corpus.platform.devices[step.dev]!.sid;
      const context = { vendor: corpus.vendor, recorded, source, addressBits: 64, contested: undefined };
      return [{ place: `${recorded.id}#${i}`, step, context }];
    }),
  );
}

const readingsOf = ({ fresh, fresh2 }: DmaStep) => (fresh2 === undefined ? [fresh] : [fresh, fresh2]);
const all = recordings().flatMap(dmasOf);
const blockedBy = (code: number, recorded = true): Reading => ({ kind: 'blocked', codes: [code], recorded, why: '' });

describe('judging one DMA', () => {
  it('finds what equals the fresh reading in agreement, or in a known deviation of the recorder', () => {
    for (const { place, step, context } of all) {
      const { verdict } = judge(step, observationOf(step, readingsOf(step), context.source), context);
      const open = step.fresh.kind === 'open';
      expect({ place, verdict }).toEqual({
        place,
        verdict: step.cls === 'deviates' ? 'deviation' : open ? 'contested' : 'agree',
      });
    }
  });

  it('explains each deviating step by exactly one rule, and uses every rule', () => {
    const used = new Set<string>();
    for (const { place, step, context } of all) {
      if (step.cls !== 'deviates') continue;
      const rules = dmaRules.filter((rule) => rule.vendor === context.vendor && rule.matches(step.out, step.fresh));
      expect({ place, rules: rules.length }).toEqual({ place, rules: 1 });
      used.add(`${rules[0]!.vendor} ${rules[0]!.number}`);
    }
    const legacyOnly = new Set(['intel 1', 'intel 3']);
    const names = dmaRules.map(({ vendor, number }) => `${vendor} ${number}`);
    for (const name of names) if (all.length > 1000 || legacyOnly.has(name)) expect(used).toContain(name);
  });

  it('never accepts what the recorder did on a deviating step', () => {
    for (const { place, step, context } of all) {
      if (step.cls !== 'deviates') continue;
      const { translated, code } = step.out;
      const theirs: Reading[] = translated
        ? step.cand.map((address) => ({ kind: 'translated', address }))
        : [code === null ? blockedBy(0, false) : blockedBy(code)];
      for (const reading of theirs) {
        const { verdict } = judge(step, observationOf(step, [reading], context.source), context);
        expect({ place, verdict }).toEqual({ place, verdict: 'fail' });
      }
    }
  });

  it('finds every member of `legal` other than `fresh` stale', () => {
    const equal = (a: Reading, b: Reading) =>
      a.kind === 'translated'
        ? b.kind === 'translated' && a.address === b.address
        : a.kind === 'blocked' && b.kind === 'blocked' && a.codes[0] === b.codes[0];
    for (const { place, step, context } of all) {
      for (const reading of step.legal.filter((it) => !equal(it, step.fresh))) {
        const { verdict } = judge(step, observationOf(step, [reading], context.source), context);
        expect({ place, verdict }).toEqual({ place, verdict: 'stale' });
      }
    }
  });

  it('fails a deviating step whose deviation nobody has numbered', () => {
    const { step, context } = all.find((it) => it.step.cls === 'agree' && it.step.fresh.kind === 'translated')!;
    const odd = { ...step, cls: 'deviates' as const };
    const seen = observationOf(odd, readingsOf(odd), context.source);
    expect(judge(odd, seen, context).verdict).toBe('fail');
  });

  it('accepts either reading of a contested step and nothing else', () => {
    const { step, context } = all.find((it) => it.step.cls === 'agree' && it.step.fresh.kind === 'translated')!;
    const contested = { ...context, contested: ['ok', '0x42'] as const };
    const verdicts = [step.fresh, blockedBy(0x42), blockedBy(0x43), blockedBy(0x42, false)].map(
      (reading) => judge(step, observationOf(step, [reading], context.source), contested).verdict,
    );
    expect(verdicts).toEqual(['agree', 'contested', 'fail', 'fail']);
  });
});

describe('judging a fault', () => {
  const isRecordedWrite = ({ rw, cls, fresh }: DmaStep) =>
    rw === 'w' && cls === 'agree' && fresh.kind === 'blocked' && fresh.recorded;
  const { step, context } = all.find((it) => isRecordedWrite(it.step))!;
  const right = observationOf(step, [step.fresh], context.source);
  const record = right.evidence.records[0]!;
  const withRecords = (...records: (typeof record)[]) => ({ ...right, evidence: { ...right.evidence, records } });
  const verdictOf = (seen: typeof right) => judge(step, seen, context).verdict;

  it('accepts the record that the reading asks for', () => {
    expect(verdictOf(right)).toBe('agree');
  });

  it.each([
    ['another reason', withRecords({ ...record, code: record.code ^ 1 })],
    ['another source', withRecords({ ...record, source: record.source ^ 8 })],
    ['another page', withRecords({ ...record, page: record.page! ^ 0x1000n })],
    ['the other type of access', withRecords({ ...record, write: !record.write })],
    ['no record', withRecords()],
    ['two records', withRecords(record, record)],
    ['an answer that names no fault', { ...right, reported: null }],
    ['an answer that names another fault', { ...right, reported: { ...right.reported!, code: 1 } }],
    ['an answer that names another requester', { ...right, reported: { ...right.reported!, requester: 0 } }],
    ['an answer that says nothing was recorded', { ...right, reported: { ...right.reported!, recorded: false } }],
    ['a translation', observationOf(step, [{ kind: 'translated', address: 0x1000n }], context.source)],
    ['bytes written all the same', { ...right, landed: [[0x1000n]] }],
    ['a flaw in the registers', { ...right, flaws: ['FSTS.PPF is not the OR of all F'] }],
  ])('fails %s', (_, seen) => {
    expect(verdictOf(seen)).toBe('fail');
  });

  it('asks for silence where no record was free, and lets a source with an unread record be dropped', () => {
    const quiet = { ...right, evidence: { ...right.evidence, records: [] } };
    expect(verdictOf({ ...quiet, evidence: { ...quiet.evidence, canRecord: false } })).toBe('agree');
    expect(verdictOf({ ...right, evidence: { ...right.evidence, canRecord: false } })).toBe('fail');
    expect(verdictOf({ ...quiet, evidence: { ...quiet.evidence, waiting: [context.source] } })).toBe('agree');
    expect(verdictOf({ ...quiet, evidence: { ...quiet.evidence, waiting: [context.source ^ 8] } })).toBe('fail');
  });

  it('fails a translation that leaves a record', () => {
    const { step, context } = all.find((it) => it.step.cls === 'agree' && it.step.fresh.kind === 'translated')!;
    const seen = observationOf(step, [step.fresh], context.source);
    expect(judge(step, { ...seen, evidence: { ...seen.evidence, records: [record] } }, context).verdict).toBe('fail');
  });
});
