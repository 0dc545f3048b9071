/**
 * Register and memory reads of a case: the recorder's value counts, unless a rule shows from the case itself why the
 * recorder's machine reads otherwise and the specification's does not. Numbers up to 14 are those of the README of the
 * recorded cases; from 15 on they are differences that replaying found, each with the section that decides it.
 */
import { amdCheckRules } from './checks-amd.ts';
import type { RecordedCase, Step } from './corpus.ts';
import { type Descriptor, IQE, type QueueHistory, queueHistory } from './queue-history.ts';

export type CheckStep = Extract<Step, { op: 'chk' | 'memrd' }>;

/** One value that differs. */
export interface Check {
  readonly vendor: 'intel' | 'amd';
  /** CAP and ECAP of the profile; 0 for AMD. */
  readonly cap: bigint;
  readonly ecap: bigint;
  readonly recorded: RecordedCase;
  /** Number of the step. */
  readonly index: number;
  readonly step: CheckStep;
  /** Offset of the register, or address of the quadword. */
  readonly at: bigint;
  readonly recorder: bigint;
  readonly ours: bigint;
}

export interface CheckRule {
  readonly vendor: 'intel' | 'amd';
  readonly number: number;
  readonly sentence: string;
  explains(check: Check): boolean;
}

const CCMD = 0x28;
const FSTS = 0x34;
const IQH = 0x80;
const IEDATA = 0xa4;

const field = (value: bigint, hi: number, lo: number) => (value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n);

/** True when `check` reads the register at `offset`. */
const reads = ({ step }: Check, offset: number) => step.op === 'chk' && step.off === offset;

/** What the case last wrote to the register at `offset`. */
function lastWritten({ recorded, index }: Check, offset: number): bigint | undefined {
  const writes = recorded.steps.slice(0, index).filter((step) => step.op === 'reg' && step.off === offset);
  const last = writes.at(-1);
  return last?.op === 'reg' ? last.val : undefined;
}

/** How far each side's queue came, and what it left. */
interface Sides {
  readonly stopped: bigint;
  readonly went: bigint;
}

/** True when one side's queue stopped with an error at `at`, the other's ran empty, and the values show just that. */
function parted(
  check: Check,
  { memory, queue, tail }: QueueHistory,
  at: Descriptor,
  { stopped, went }: Sides,
): boolean {
  if (reads(check, IQH)) return stopped === at.offset && went === tail;
  if (reads(check, FSTS)) return (went & IQE) === 0n && stopped === (went | IQE);
  const waits = queue.filter(({ offset, status }) => offset > at.offset && status?.at === check.at);
  if (check.step.op !== 'memrd' || waits.at(-1)?.status?.data !== went) return false;
  // What the recorder's machine did not write may be left over; ours is what the case put there.
  return stopped === check.recorder || stopped === (memory.get(check.at) ?? 0n);
}

const CAIG_GLOBAL = 0b01n;
const DOMAIN = 0b10n;
const ACCESSED = 0x20n;
const DIRTY = 0x40n;
const ECAP_DT = 1n << 2n;

const IRTA = 0xb8;
const EIME = 1n << 11n;
const ECAP_EIM = 1n << 4n;
const CAP_FRO = [33, 24] as const;
const CAP_NFR = [47, 40] as const;
const REASON = [39, 32] as const;
/** Scalable-mode conditions and the legacy codes under which the recorder reports them (its deviation 2). */
const LEGACY_CODES: Readonly<Record<number, readonly number[]>> = {
  57: [0x1],
  58: [0xa],
  65: [0x2],
  66: [0xb],
  121: [0x5, 0x6],
  122: [0xc],
  123: [0x3],
  131: [0x4],
  132: [0x4],
  133: [0x5],
  134: [0x6],
};

/** True when `check` reads the upper half of a fault recording register. */
function readsFaultRecord(check: Check): boolean {
  const first = Number(field(check.cap, ...CAP_FRO)) * 16 + 8;
  const records = Number(field(check.cap, ...CAP_NFR)) + 1;
  return Array.from({ length: records }, (_, n) => first + n * 16).some((offset) => reads(check, offset));
}

const intel: readonly Omit<CheckRule, 'vendor'>[] = [
  {
    number: 2,
    sentence: 'legacy fault codes are recorded in scalable mode',
    explains: (check) => {
      const [ours, recorder] = [field(check.ours, ...REASON), field(check.recorder, ...REASON)];
      const rest = (check.ours ^ check.recorder) & ~(0xffn << BigInt(REASON[1]));
      return readsFaultRecord(check) && rest === 0n && LEGACY_CODES[Number(ours)]?.includes(Number(recorder)) === true;
    },
  },
  {
    number: 6,
    sentence: 'a write sets the first-stage D bit neither where A is already set nor on an IOTLB hit',
    explains: ({ step, recorder, ours, recorded, index }) =>
      step.op === 'memrd' &&
      ours === (recorder | DIRTY) &&
      (recorder & (ACCESSED | DIRTY)) === ACCESSED &&
      recorded.steps.some((it, i) => i < index && it.op === 'dma' && it.rw === 'w' && it.out.translated),
  },
  {
    number: 11,
    sentence: 'a domain-selective context-cache invalidation acts as a global one, and CCMD.CAIG says so',
    explains: (check) =>
      reads(check, CCMD) &&
      field(check.recorder, 62, 61) === DOMAIN &&
      field(check.recorder, 60, 59) === CAIG_GLOBAL &&
      field(check.ours, 60, 59) === DOMAIN &&
      (check.recorder ^ check.ours) === 3n << 59n,
  },
  {
    number: 14,
    sentence: 'device-TLB invalidations are accepted without ECAP.DT (VT-d 6.5.2: an invalid descriptor)',
    explains: (check) => {
      if ((check.ecap & ECAP_DT) !== 0n) return false;
      const history = queueHistory(check.recorded, check.index);
      const at = history.queue.find(({ isDeviceTlb }) => isDeviceTlb);
      return at !== undefined && parted(check, history, at, { stopped: check.ours, went: check.recorder });
    },
  },
  {
    number: 15,
    sentence: 'memory that this case never wrote still holds what an earlier case left there',
    explains: ({ step, at, recorder, ours, recorded, index }) => {
      if (step.op !== 'memrd' || recorder === 0n || ours !== 0n) return false;
      const { memory, written } = queueHistory(recorded, index);
      return !memory.has(at) && written !== null && !written.has(at);
    },
  },
  {
    number: 16,
    sentence:
      'a wait descriptor that neither writes nor interrupts is refused (nothing in VT-d 6.5.2 makes it invalid)',
    explains: (check) => {
      const history = queueHistory(check.recorded, check.index);
      const at = history.queue.find(({ isIdleWait }) => isIdleWait);
      return at !== undefined && parted(check, history, at, { stopped: check.recorder, went: check.ours });
    },
  },
  {
    number: 17,
    sentence: 'IEDATA keeps bits 31:16, which are reserved since revision 3.3',
    explains: (check) =>
      reads(check, IEDATA) &&
      check.recorder === lastWritten(check, IEDATA) &&
      check.ours === (check.recorder & 0xffffn),
  },
  {
    number: 18,
    sentence: 'IRTA keeps EIME without ECAP.EIM (VT-d 11.4.10: reserved)',
    explains: (check) =>
      reads(check, IRTA) &&
      (check.ecap & ECAP_EIM) === 0n &&
      (check.recorder ^ check.ours) === EIME &&
      (check.ours & EIME) === 0n,
  },
];

export const checkRules: readonly CheckRule[] = [
  ...intel.map((rule) => ({ ...rule, vendor: 'intel' as const })),
  ...amdCheckRules,
];

/** The rule that explains a difference, if one does. */
export function explain(check: Check): CheckRule | undefined {
  return checkRules.find((rule) => rule.vendor === check.vendor && rule.explains(check));
}
