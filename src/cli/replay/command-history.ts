/**
 * What a recording itself says about AMD's command buffer before one of its steps: which commands software put there,
 * which of them are illegal, and what the completion waits store.
 */
import { CaseMemory } from './case-memory.ts';
import type { RecordedCase } from './corpus.ts';

const COMMAND_BASE = 0x8;
const COMMAND_TAIL = 0x2008;
const BASE = 0x000f_ffff_ffff_f000n;
const POINTER = 0x7_fff0n;
const BYTES = 16n;

const COMPLETION_WAIT = 1;
const STORE = 1n;
const INTERRUPT = 2n;
const STORE_ADDRESS = 0x000f_ffff_ffff_fff8n;

/** Bits that software may set, by opcode: the lower and the upper quadword. */
const DEFINED: Readonly<Record<number, readonly [low: bigint, high: bigint]>> = {
  1: [0xf00f_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn],
  2: [0xf000_0000_0000_ffffn, 0n],
  3: [0xf000_ffff_000f_ffffn, 0xffff_ffff_ffff_f007n],
  4: [0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_f005n],
  5: [0xf000_0000_0000_ffffn, 0n],
  6: [0xf00f_ffff_ff00_ffffn, 0xffff_ffff_ffff_f015n],
  7: [0xf00f_ffff_0000_ffffn, 0x0000_f1ff_0000_0004n],
  8: [0xf000_0000_0000_0000n, 0n],
};

export interface Command {
  /** Byte offset in the buffer, as head and tail count. */
  readonly offset: bigint;
  readonly isIllegal: boolean;
  /** What a completion wait stores, and where. */
  readonly store: { readonly at: bigint; readonly data: bigint } | null;
  readonly interrupts: boolean;
}

export interface CommandHistory {
  /** Every quadword that the case put into memory. */
  readonly memory: ReadonlyMap<bigint, bigint>;
  /** Commands between the start of the buffer and the last tail written. */
  readonly commands: readonly Command[];
  readonly tail: bigint;
}

/** Reads `recorded` up to, and without, step `index`. */
export function commandHistory(recorded: RecordedCase, index: number): CommandHistory {
  const memory = new CaseMemory(recorded);
  let base = 0n;
  let tail = 0n;
  for (const step of recorded.steps.slice(0, index)) {
    if (step.op === 'mem') memory.put(step.at, step.q);
    if (step.op !== 'reg') continue;
    if (step.off === COMMAND_BASE) base = step.val & BASE;
    if (step.off === COMMAND_TAIL) tail = step.val & POINTER;
  }
  const commands: Command[] = [];
  for (let offset = 0n; offset < tail; offset += BYTES) {
    commands.push(commandAt(offset, memory.get(base + offset) ?? 0n, memory.get(base + offset + 8n) ?? 0n));
  }
  return { memory, commands, tail };
}

function commandAt(offset: bigint, low: bigint, high: bigint): Command {
  const opcode = Number(low >> 60n);
  const [definedLow, definedHigh] = DEFINED[opcode] ?? [0n, 0n];
  const isIllegal = DEFINED[opcode] === undefined || (low & ~definedLow) !== 0n || (high & ~definedHigh) !== 0n;
  const isWait = opcode === COMPLETION_WAIT;
  const stores = isWait && (low & STORE) !== 0n;
  return {
    offset,
    isIllegal,
    store: stores ? { at: low & STORE_ADDRESS, data: high } : null,
    interrupts: isWait && (low & INTERRUPT) !== 0n,
  };
}
