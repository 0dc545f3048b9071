/**
 * What a recording itself says about the invalidation queue before one of its steps: what stood in memory, how far the
 * recorder's machine got, and to which addresses it wrote a status on the way.
 */
import { CaseMemory } from './case-memory.ts';
import type { RecordedCase } from './corpus.ts';

const GCMD = 0x18;
const GCMD_QIE = 1n << 26n;
export const IQE = 1n << 4n;
const IQH = 0x80;
const IQT = 0x88;
const IQA = 0x90;
const IQA_BASE = ~0xfffn;
const IQA_WIDE = 1n << 11n;

const TYPE = 0xe0fn;
const WAIT = 5n;
const DEVICE_TLB = 3n;
const INTERRUPT = 1n << 4n;
const STATUS_WRITE = 1n << 5n;

export interface Descriptor {
  /** Byte offset in the queue, as IQH and IQT count. */
  readonly offset: bigint;
  readonly isDeviceTlb: boolean;
  /** A wait that neither writes a status nor interrupts. */
  readonly isIdleWait: boolean;
  /** The status that a wait writes, and where. */
  readonly status: { readonly at: bigint; readonly data: bigint } | null;
}

export interface QueueHistory {
  /** Every quadword that the case put into memory. */
  readonly memory: ReadonlyMap<bigint, bigint>;
  /** Descriptors between the start of the queue and the last tail written. */
  readonly queue: readonly Descriptor[];
  readonly tail: bigint;
  /** Addresses that the recorder's queue wrote; `null` when its head was not read after the last tail write. */
  readonly written: ReadonlySet<bigint> | null;
}

/** Reads `recorded` up to, and without, step `index`. */
export function queueHistory(recorded: RecordedCase, index: number): QueueHistory {
  const memory = new CaseMemory(recorded);
  for (const at of recorded.tag) if (!memory.has(at & ~7n)) memory.set(at & ~7n, 0n);
  let iqa = 0n;
  let tail = 0n;
  let head = 0n;
  let open = false;
  let followed = true;
  const written = new Set<bigint>();
  const descriptors = (from: bigint, to: bigint) => descriptorsOf(memory, iqa, from, to);

  for (const step of recorded.steps.slice(0, index)) {
    if (step.op === 'mem') memory.put(step.at, step.q);
    else if (step.op === 'chk' && step.off === IQH) {
      // A queue that went round cannot be followed: what it executed may have been overwritten.
      followed &&= step.got >= head && step.got < sizeOf(iqa);
      for (const { status } of descriptors(head, step.got)) if (status !== null) written.add(status.at);
      head = step.got;
      open = false;
    } else if (step.op === 'reg') {
      if (step.off === IQA) iqa = step.val;
      if (step.off === GCMD && (step.val & GCMD_QIE) === 0n) head = 0n;
      if (step.off !== IQT) continue;
      tail = step.val;
      open = true;
    }
  }
  return { memory, queue: descriptors(0n, tail), tail, written: followed && !open ? written : null };
}

/** Bytes of the queue: 2 to the power of IQA.QS pages. */
const sizeOf = (iqa: bigint) => 0x1000n << (iqa & 7n);

function descriptorsOf(memory: ReadonlyMap<bigint, bigint>, iqa: bigint, from: bigint, to: bigint): Descriptor[] {
  const found: Descriptor[] = [];
  const bytes = (iqa & IQA_WIDE) === 0n ? 16n : 32n;
  const end = to < sizeOf(iqa) ? to : sizeOf(iqa);
  for (let offset = from; offset < end; offset += bytes) {
    const at = (iqa & IQA_BASE) + offset;
    const [low, high] = [memory.get(at) ?? 0n, memory.get(at + 8n) ?? 0n];
    const isWait = (low & TYPE) === WAIT;
    found.push({
      offset,
      isDeviceTlb: (low & TYPE) === DEVICE_TLB,
      isIdleWait: isWait && (low & (STATUS_WRITE | INTERRUPT)) === 0n,
      status: isWait && (low & STATUS_WRITE) !== 0n ? { at: high & ~3n, data: low >> 32n } : null,
    });
  }
  return found;
}
