/** What a request does to memory once it may, and the completions that answer it. */
import { PAGE_SIZE } from '../bits/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { RootPort } from './root-port.ts';
import { CompletionStatus } from './spec/index.ts';
import { type Tlp, TlpKind } from './tlp.ts';
import type { TranslationRequest } from './translation.ts';

/** How a read is cut into completions. */
export interface CompletionSizes {
  readonly requester: number;
  /** Largest completion that the root complex sends, in bytes. */
  readonly maxPayload: number;
  /** 64 or 128 bytes. */
  readonly readCompletionBoundary: number;
}

const TRANSLATION_BYTES = 8;
/** Bits of Lower Address. */
const LOWER_ADDRESS = 0x7f;
/** A zero-length read is answered with one byte of no meaning. */
const NO_MEANING = new Uint8Array(1);

/** Writes to memory; false where there is none. */
export function write(memory: PhysicalMemory, address: number, { data, length }: Tlp): boolean {
  return length === 0 || memory.write(address, data!.subarray(0, length));
}

/** The bytes that a read or an AtomicOp is answered with; `undefined` where there is no memory. */
export function fetch(memory: PhysicalMemory, address: number, tlp: Tlp): Uint8Array | undefined {
  if (tlp.isAtomic) return atomic(memory, address, tlp);
  return tlp.length === 0 ? NO_MEANING : memory.read(address, tlp.length);
}

/** Sends the data in as few completions as payload size and read completion boundary allow. Gives the last. */
export function complete(port: RootPort, tlp: Tlp, bytes: Uint8Array, sizes: CompletionSizes): Tlp {
  const { readCompletionBoundary, requester } = sizes;
  const { maxPayload, ordersCompletionsById } = port.below;
  const payload = Math.min(sizes.maxPayload, maxPayload);
  const start = tlp.isAtomic ? 0 : tlp.addressLo & (PAGE_SIZE - 1);
  for (let from = 0; ; ) {
    const offset = start + from;
    const end = offset + payload;
    const length = Math.min(bytes.length - from, end - (end % readCompletionBoundary) - offset);
    const completion = port.end.take().completionData(tlp, requester, from, length, ordersCompletionsById);
    // Most reads fit one completion, and then no view of a part is needed.
    completion.data!.set(length === bytes.length ? bytes : bytes.subarray(from, from + length));
    port.push(completion);
    from += length;
    if (from === bytes.length) return completion;
  }
}

/**
 * Answers a translation request with the entries that there are, each with its highest byte first. Whoever asked sees by the
 * byte count that they are all; the lower address is that of data which end at a read completion boundary (ATS 10.2.4).
 */
export function completeTranslation(
  port: RootPort,
  tlp: Tlp,
  { translations, translated }: TranslationRequest,
  sizes: CompletionSizes,
): Tlp {
  const length = translated * TRANSLATION_BYTES;
  const completion = port.end.take().completion(tlp, sizes.requester, CompletionStatus.SUCCESSFUL);
  completion.byteCount = length;
  const { data } = completion.withData((sizes.readCompletionBoundary - length) & LOWER_ADDRESS, length);
  for (let i = 0; i < length; i++) data![i] = translations[i >>> 2]! >>> (24 - (i & 3) * 8);
  port.push(completion);
  return completion;
}

/** An AtomicOp: the old value is the answer. Operands are little-endian and as wide as the answer. */
function atomic(memory: PhysicalMemory, address: number, { kind, data, length }: Tlp): Uint8Array | undefined {
  const width = kind === TlpKind.COMPARE_AND_SWAP ? length / 2 : length;
  const old = memory.read(address, width);
  if (old === undefined) return undefined;
  const next =
    kind === TlpKind.FETCH_ADD
      ? sum(old, data!)
      : kind === TlpKind.SWAP
        ? data!.slice(0, width)
        : old.every((byte, i) => byte === data![i])
          ? data!.slice(width, length)
          : old;
  return memory.write(address, next) ? old : undefined;
}

function sum(one: Uint8Array, other: Uint8Array): Uint8Array {
  let carry = 0;
  return one.map((byte, i) => {
    carry += byte + other[i]!;
    const low = carry & 0xff;
    carry >>>= 8;
    return low;
  });
}
