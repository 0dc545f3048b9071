/**
 * The recorder's known deviations from the specifications, numbered as in the README of the recorded cases. A rule
 * explains a disagreement only when it recognises both sides: what the recorder did, and a reading that the rig shares.
 *
 * Left out are deviations that never decide an outcome (the layout of AMD's events, how much is cached or flushed).
 */
import type { DmaStep, Reading, Recorded, RecordedCase } from './corpus.ts';

export interface DmaRule {
  readonly vendor: 'intel' | 'amd';
  readonly number: number;
  readonly sentence: string;
  /** `ours` is the reading that the rig's outcome was found equal to. */
  matches(recorder: Recorded, ours: Reading): boolean;
}

/** What the recorder reports in scalable mode for the reasons that exist only there. */
const LEGACY_CODE: ReadonlyMap<number, number> = new Map([
  [0x39, 0x01],
  [0x3a, 0x0a],
  [0x41, 0x02],
  [0x42, 0x0b],
  [0x83, 0x04],
  [0x85, 0x05],
  [0x86, 0x06],
  [0x7a, 0x0c],
  [0x7b, 0x03],
]);

const PERMISSION = [0x05, 0x06, 0x85, 0x86];
const PASID_ENTRY_NOT_PRESENT = 0x59;
const PASID_ENTRY_INVALID = 0x5b;
const PASID_RESERVED = [0x52, 0x5a];
const NON_CANONICAL = 0x80;

/** `recorded` and `why` narrow only where they are given. */
const blocked = (ours: Reading, recorded: boolean | undefined, codes: readonly number[], why?: string) =>
  ours.kind === 'blocked' &&
  (recorded === undefined || ours.recorded === recorded) &&
  codes.includes(ours.codes[0]!) &&
  (why === undefined || ours.why === why);

const silent = ({ translated, code, pending }: Recorded) => !translated && code === null && !pending;

const intel: readonly Omit<DmaRule, 'vendor'>[] = [
  {
    number: 1,
    sentence: 'an IOTLB hit without permission is blocked, but no fault is recorded',
    matches: (recorder, ours) => silent(recorder) && recorder.hit && blocked(ours, true, PERMISSION),
  },
  {
    number: 2,
    sentence: 'scalable mode reports legacy codes for root, context and second-stage faults',
    matches: ({ code }, ours) =>
      ours.kind === 'blocked' && ours.recorded && code !== null && LEGACY_CODE.get(ours.codes[0]!) === code,
  },
  {
    number: 3,
    sentence: 'FPD is ignored for reserved bits of a context entry and while a PASID entry is first fetched',
    matches: ({ code }, ours) =>
      (code === 0x0b && blocked(ours, false, [0x0b, 0x42])) ||
      (code === PASID_ENTRY_NOT_PRESENT && blocked(ours, false, [PASID_ENTRY_NOT_PRESENT])) ||
      (code === PASID_ENTRY_INVALID && blocked(ours, false, [PASID_ENTRY_INVALID, PASID_ENTRY_NOT_PRESENT])),
  },
  {
    number: 4,
    sentence:
      'the type of a PASID entry is checked before P, reserved bits of PASID directory and table entries are not',
    matches: ({ translated, code }, ours) =>
      (code === PASID_ENTRY_INVALID && blocked(ours, true, [PASID_ENTRY_NOT_PRESENT, ...PASID_RESERVED])) ||
      (translated && blocked(ours, undefined, PASID_RESERVED)),
  },
  {
    number: 5,
    sentence: "the canonical check of the first stage uses the PASID entry's second-stage AW field",
    matches: ({ code }, ours) => code === NON_CANONICAL && ours.kind === 'translated',
  },
];

const ILLEGAL_DEV_TABLE_ENTRY = 1;
const IO_PAGE_FAULT = 2;

const amd: readonly Omit<DmaRule, 'vendor'>[] = [
  {
    number: 2,
    sentence: 'IR and IW of upper levels are not enforced',
    matches: ({ translated }, ours) => translated && blocked(ours, true, [IO_PAGE_FAULT], 'permission'),
  },
  {
    number: 3,
    sentence: 'the address bits of skipped levels are not checked',
    matches: ({ translated }, ours) =>
      translated && blocked(ours, true, [IO_PAGE_FAULT], 'skipped level bits not zero'),
  },
  {
    number: 4,
    sentence: 'a device table entry of mode 0 ignores IR and IW',
    matches: ({ translated }, ours) => translated && blocked(ours, true, [IO_PAGE_FAULT], 'DTE permission'),
  },
  {
    number: 5,
    sentence: 'device table entries: mode 7 is blocked silently, reserved bits count when V=0, SE and SA are ignored',
    matches: (recorder, ours) =>
      (silent(recorder) && blocked(ours, true, [ILLEGAL_DEV_TABLE_ENTRY], 'mode 7')) ||
      (recorder.code === IO_PAGE_FAULT && blocked(ours, false, [IO_PAGE_FAULT])) ||
      (recorder.code === ILLEGAL_DEV_TABLE_ENTRY && ours.kind === 'translated'),
  },
  {
    number: 9,
    sentence: 'an IOTLB hit without permission is blocked, but no event is logged',
    matches: (recorder, ours) => silent(recorder) && recorder.hit && blocked(ours, true, [IO_PAGE_FAULT]),
  },
];

export const dmaRules: readonly DmaRule[] = [
  ...intel.map((rule) => ({ ...rule, vendor: 'intel' as const })),
  ...amd.map((rule) => ({ ...rule, vendor: 'amd' as const })),
];

const PRESENT = 0b11n;
const BIT_62 = 1n << 62n;

/**
 * The other reading of a step that the recorded cases call ambiguous, where the specification at hand supports it.
 *
 * Bit 62 of a second-stage entry: the recorded cases' reading ignores it as unclear; VT-d 9.8 of revision 5.10 reserves it
 * without ECAP.SSIRWS.
 */
export function secondReading(vendor: 'intel' | 'amd', step: DmaStep, recorded: RecordedCase): Reading | null {
  if (vendor !== 'intel' || step.cls !== 'ambiguous') return null;
  const entries = Object.values(recorded.mem).flat();
  if (!entries.some((entry) => (entry & BIT_62) !== 0n && (entry & PRESENT) !== 0n)) return null;
  return { kind: 'blocked', codes: [0x0c, 0x7a], recorded: true, why: 'bit 62' };
}
