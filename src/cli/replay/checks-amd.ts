/**
 * Register and memory reads of AMD cases that the recorder's machine answers otherwise than the sources have it. Numbers
 * up to 10 are those of the README of the recorded cases; from 11 on they are differences that replaying found.
 */
import type { Check, CheckRule } from './checks.ts';
import { type CommandHistory, commandHistory } from './command-history.ts';

const COMMAND_HEAD = 0x2000;
const STATUS = 0x2020;
const EVENT_LOG_INT = 1n << 1n;
const COM_WAIT_INT = 1n << 2n;
const CMD_BUF_RUN = 1n << 4n;

const EXCLUSION_BASE = 0x20;
const EXCLUSION_LIMIT = 0x28;
const POINTER = 0x7_fff0n;
const RING_BASE = 0x0f0f_ffff_ffff_f000n;

/** The bits of registers that are not reserved. */
const DEFINED: Readonly<Record<number, bigint>> = {
  0: 0x000f_ffff_ffff_f1ffn,
  8: RING_BASE,
  16: RING_BASE,
  32: 0x000f_ffff_ffff_f003n,
  40: 0x000f_ffff_ffff_f000n,
  56: RING_BASE,
  8192: POINTER,
  8200: POINTER,
  8208: POINTER,
  8216: POINTER,
  8240: POINTER,
  8248: POINTER,
};
const LENGTH_8 = 8n << 56n;
const ONES = 0xfffn;
/** What is not 0 after reset: lengths of rings, and the low bits of the exclusion limit, which count as ones. */
const POWER_ON: Readonly<Record<number, bigint>> = { 8: LENGTH_8, 16: LENGTH_8, 40: ONES, 56: LENGTH_8 };

const offsetOf = ({ step }: Check) => (step.op === 'chk' ? step.off : null);

function lastWritten({ recorded, index }: Check, offset: number): bigint | undefined {
  const last = recorded.steps.slice(0, index).findLast((step) => step.op === 'reg' && step.off === offset);
  return last?.op === 'reg' ? last.val : undefined;
}

/** The first illegal command, at which our processor stands. */
function stop({ commands }: CommandHistory) {
  return commands.find(({ isIllegal }) => isIllegal);
}

/** Ours stopped at an illegal command; the recorder's machine went on to the tail. */
function wentOn(check: Check): boolean {
  const history = commandHistory(check.recorded, check.index);
  const at = stop(history);
  if (at === undefined) return false;
  const { recorder, ours } = check;
  if (offsetOf(check) === COMMAND_HEAD) return ours === at.offset && recorder === history.tail;
  const skipped = history.commands.filter(({ offset }) => offset >= at.offset);
  if (offsetOf(check) === STATUS) {
    const waited = skipped.some(({ interrupts }) => interrupts) ? COM_WAIT_INT : 0n;
    const more = recorder & ~ours;
    return (more & ~(CMD_BUF_RUN | waited)) === 0n && (more & CMD_BUF_RUN) !== 0n && isOnlyEvent(ours & ~recorder);
  }
  if (check.step.op !== 'memrd') return false;
  const stored = skipped.findLast(({ store }) => store?.at === check.at)?.store;
  const before = history.commands.findLast(({ offset, store }) => offset < at.offset && store?.at === check.at);
  return stored?.data === recorder && ours === (before?.store?.data ?? history.memory.get(check.at) ?? 0n);
}

const isOnlyEvent = (bits: bigint) => bits === 0n || bits === EVENT_LOG_INT;

export const amdCheckRules: readonly CheckRule[] = (
  [
    { number: 7, sentence: 'an illegal command does not stop command processing', explains: wentOn },
    {
      number: 10,
      sentence: 'the exclusion range does not exist, and its base reads 0',
      explains: (check: Check) =>
        offsetOf(check) === EXCLUSION_BASE &&
        check.recorder === 0n &&
        check.ours === ((lastWritten(check, EXCLUSION_BASE) ?? 0n) & DEFINED[EXCLUSION_BASE]!),
    },
    {
      number: 11,
      sentence: 'memory that this case never wrote still holds what an earlier case left there',
      explains: ({ step, at, recorder, ours, recorded, index }: Check) => {
        if (step.op !== 'memrd' || recorder === 0n || ours !== 0n) return false;
        const { memory, commands } = commandHistory(recorded, index);
        return !memory.has(at) && !commands.some(({ store }) => store?.at === at);
      },
    },
    {
      number: 12,
      sentence: 'Status.EventLogInt is not set when an event is logged',
      explains: (check: Check) =>
        offsetOf(check) === STATUS && (check.ours ^ check.recorder) === EVENT_LOG_INT && check.recorder < check.ours,
    },
    {
      number: 13,
      sentence: 'registers keep reserved bits',
      explains: (check: Check) => {
        const offset = offsetOf(check);
        const defined = offset === null ? undefined : DEFINED[offset];
        if (defined === undefined || check.recorder !== lastWritten(check, offset!)) return false;
        return check.ours === ((check.recorder & defined) | (offset === EXCLUSION_LIMIT ? ONES : 0n));
      },
    },
    {
      number: 14,
      sentence: 'lengths of rings, and the ones of the exclusion limit, are 0 after reset',
      explains: (check: Check) => {
        const offset = offsetOf(check);
        if (offset === null || lastWritten(check, offset) !== undefined) return false;
        return check.recorder === 0n && check.ours === POWER_ON[offset];
      },
    },
  ] as const
).map((rule) => ({ ...rule, vendor: 'amd' }));
