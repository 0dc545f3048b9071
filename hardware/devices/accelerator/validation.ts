/** Whether a descriptor can be carried out at all: what is checked before memory is accessed, in this order. */
import { type AnyLayout, anySet, undeclared } from '../../bits/index.ts';
import type { AcceleratorSpec } from './model.ts';
import {
  BATCH,
  COMPLETION_ALIGNMENT,
  COPY_CRC,
  DESCRIPTOR_BYTES,
  DUALCAST,
  Flag,
  LAYOUTS,
  MEMMOVE,
  Opcode,
  type OpcodeName,
  Status,
  WQCFG,
} from './spec/index.ts';
import type { Operation } from './submission.ts';

/** What is wrong with a descriptor. */
export interface Flaw {
  readonly status: number;
  /** Bits of `Flag`. */
  readonly invalidFlags: number;
}

interface Rules {
  readonly reserved: Uint32Array;
  readonly flags: number;
  readonly hasSize: boolean;
}

const EVERYWHERE = Flag.FENCE | Flag.BOF | Flag.CRAV | Flag.RCR | Flag.RCI | Flag.STORD;

/** Flags beyond those that every operation may have. */
const FLAGS: Partial<Record<OpcodeName, number>> = {
  MEMMOVE: Flag.CC,
  MEMFILL: Flag.CC,
  COMPARE: Flag.CR,
  COMPVAL: Flag.CR,
  DUALCAST: Flag.CC,
  COPY_CRC: Flag.CC,
  CFLUSH: Flag.CC,
};

const RULES: ReadonlyMap<number, Rules> = new Map(
  Object.entries(LAYOUTS).map(([key, layout]: [string, AnyLayout]) => {
    const name = key as OpcodeName;
    const flags = EVERYWHERE | (FLAGS[name] ?? 0);
    return [Opcode[name], { reserved: undeclared(layout), flags, hasSize: 'XFER_SIZE' in layout }] as const;
  }),
);

/** Offsets in their pages that two destinations have in common. */
const SAME_OFFSET = 0xfffn;

/** What is wrong, `null` if nothing is. `mayBePrivileged`: the function may ask for privileged mode. */
export function flawOf(operation: Operation, spec: AcceleratorSpec, mayBePrivileged: boolean): Flaw | null {
  const { words, opcode, flags, submission } = operation;
  const { queue } = submission;
  const rules = RULES.get(opcode);
  if (operation.has(Flag.CRAV) && operation.completionAddress % BigInt(COMPLETION_ALIGNMENT) !== 0n) {
    return flaw(Status.CRA_ALIGN);
  }
  const isNested = operation.isInBatch && (operation.isBatch || opcode === Opcode.DRAIN);
  if (rules === undefined || isNested || !queue.allows(opcode)) return flaw(Status.BAD_OPCODE);
  if (submission.privileged && !mayBePrivileged) return flaw(Status.PRIV_BAD);
  const invalidFlags = flags & ~flagsAllowed(operation, rules);
  if (invalidFlags !== 0) return { status: Status.INVALID_FLAGS, invalidFlags };
  if (anySet(words, rules.reserved)) return flaw(Status.NOZERO_RESERVE);
  if (rules.hasSize) {
    const size = MEMMOVE.XFER_SIZE.get(words);
    if (size === 0 || size > 2 ** queue.get(WQCFG.MAX_XFER_SHIFT)) return flaw(Status.XFER_ERANGE);
  }
  return flawOfAddresses(operation, spec);
}

function flagsAllowed(operation: Operation, rules: Rules): number {
  const outside = operation.isInBatch ? 0 : Flag.FENCE;
  // A record cannot be asked for without saying where it goes.
  const withoutRecord = operation.has(Flag.CRAV) ? 0 : Flag.RCR;
  return rules.flags & ~outside & ~withoutRecord;
}

function flawOfAddresses({ words, opcode, submission }: Operation, spec: AcceleratorSpec): Flaw | null {
  if (opcode === Opcode.BATCH) {
    if (BATCH.DESC_LIST_ADDR.big(words) % BigInt(DESCRIPTOR_BYTES) !== 0n) return flaw(Status.DESCLIST_ALIGN);
    const count = BATCH.DESC_COUNT.get(words);
    const most = 2 ** Math.min(submission.queue.get(WQCFG.MAX_BATCH_SHIFT), spec.maxBatchShift);
    return count < 2 || count > most ? flaw(Status.DESC_CNT_ERANGE) : null;
  }
  const size = MEMMOVE.XFER_SIZE.get(words);
  const [from, to] = [COPY_CRC.SRC_ADDR.big(words), COPY_CRC.DST_ADDR.big(words)];
  if (opcode === Opcode.COPY_CRC) return overlap(from, to, size) ? flaw(Status.OVERLAP_BUFFERS) : null;
  if (opcode !== Opcode.DUALCAST) return null;
  const second = DUALCAST.DEST2.big(words);
  if (((to ^ second) & SAME_OFFSET) !== 0n) return flaw(Status.DCAST_ERR);
  const anyOverlap = overlap(from, to, size) || overlap(from, second, size) || overlap(to, second, size);
  return anyOverlap ? flaw(Status.OVERLAP_BUFFERS) : null;
}

/** True when two ranges of `size` bytes have a byte in common. */
export function overlap(a: bigint, b: bigint, size: number): boolean {
  return BigInt.asUintN(64, a - b) < BigInt(size) || BigInt.asUintN(64, b - a) < BigInt(size);
}

function flaw(status: number): Flaw {
  return { status, invalidFlags: 0 };
}
