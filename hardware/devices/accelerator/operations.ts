/** What the operations do with memory, each in pieces that lie in one page of everything that it accesses. */
import { bytesOf, PAGE_SIZE, splitWords } from '../../bits/index.ts';
import type { Script } from '../../sim/index.ts';
import { crc32c } from './crc.ts';
import { type Accessor, type Fault, type Memory, plus, withinPages, withinPagesBefore } from './memory.ts';
import {
  CFLUSH,
  COMPARE,
  COMPVAL,
  COPY_CRC,
  CRCGEN,
  DUALCAST,
  Flag,
  MEMFILL,
  MEMMOVE,
  Opcode,
  Status,
} from './spec/index.ts';
import type { Operation } from './submission.ts';
import { overlap } from './validation.ts';

/** How an operation ended: what its completion record says. */
export interface Outcome {
  /** A value of `Status`; NONE when it was aborted. */
  readonly status: number;
  readonly result?: number;
  /** Bytes, or descriptors of a batch. */
  readonly completed?: number;
  readonly fault?: Fault | null;
  readonly invalidFlags?: number;
  readonly crc?: number;
}

export const DONE: Outcome = { status: Status.SUCCESS };

const PATTERN_BYTES = 8;
const NOTHING = new Uint8Array(0);

/** Does what an operation on memory asks for. */
export function operate(operation: Operation, memory: Memory): Script<Outcome> {
  const work = new Work(operation, memory);
  switch (operation.opcode) {
    case Opcode.MEMMOVE:
      return work.move();
    case Opcode.MEMFILL:
      return work.fill();
    case Opcode.COMPARE:
      return work.compare();
    case Opcode.COMPVAL:
      return work.compareValue();
    case Opcode.DUALCAST:
      return work.dualcast();
    case Opcode.CRCGEN:
      return work.checksum();
    case Opcode.COPY_CRC:
      return work.copyWithChecksum();
    default:
      return work.flush();
  }
}

/** Where a piece begins, in bytes from the start, and its length. */
type Step = (at: number, length: number) => Script<Fault | null>;

class Work {
  readonly #operation: Operation;
  readonly #memory: Memory;
  readonly #who: Accessor;
  readonly #words: Uint32Array;
  readonly #size: number;
  readonly #buffer: Uint8Array;

  constructor(operation: Operation, memory: Memory) {
    this.#operation = operation;
    this.#memory = memory;
    this.#who = memory.accessorOf(operation);
    this.#words = operation.words;
    this.#size = MEMMOVE.XFER_SIZE.get(operation.words);
    this.#buffer = new Uint8Array(Math.min(this.#size, PAGE_SIZE));
  }

  *move(): Script<Outcome> {
    const from = MEMMOVE.SRC_ADDR.big(this.#words);
    const to = MEMMOVE.DST_ADDR.big(this.#words);
    // From the end if the destination begins within the source: nothing is overwritten that is still to be read.
    const isBackwards = from !== to && overlap(from, to, this.#size) && BigInt.asUintN(64, to - from) < this.#size;
    const step: Step = (at, length) => this.#copy(plus(from, at), [plus(to, at)], length);
    const outcome = yield* isBackwards ? this.#backwards([from, to], step) : this.#forwards([from, to], step);
    return { ...outcome, result: isBackwards && outcome.status !== Status.SUCCESS ? 1 : 0 };
  }

  *fill(): Script<Outcome> {
    const to = MEMFILL.DST_ADDR.big(this.#words);
    const pattern = patternOf(MEMFILL.PATTERN.big(this.#words));
    return yield* this.#forwards([to], (at, length) => {
      const bytes = this.#buffer.subarray(0, length);
      repeat(pattern, at, bytes);
      return this.#memory.write(this.#who, plus(to, at), bytes);
    });
  }

  compare(): Script<Outcome> {
    return this.#difference(COMPARE.SRC2_ADDR.big(this.#words));
  }

  compareValue(): Script<Outcome> {
    return this.#difference(patternOf(COMPVAL.COMP_PATTERN.big(this.#words)));
  }

  *dualcast(): Script<Outcome> {
    const from = DUALCAST.SRC_ADDR.big(this.#words);
    const to = DUALCAST.DST_ADDR.big(this.#words);
    const second = DUALCAST.DEST2.big(this.#words);
    return yield* this.#forwards([from, to, second], (at, length) =>
      this.#copy(plus(from, at), [plus(to, at), plus(second, at)], length),
    );
  }

  *checksum(): Script<Outcome> {
    return yield* this.#summed(CRCGEN.SRC_ADDR.big(this.#words), null);
  }

  *copyWithChecksum(): Script<Outcome> {
    return yield* this.#summed(COPY_CRC.SRC_ADDR.big(this.#words), COPY_CRC.DST_ADDR.big(this.#words));
  }

  /** There is no cache to write back: what is left is whether the range can be accessed. */
  *flush(): Script<Outcome> {
    const to = CFLUSH.DST_ADDR.big(this.#words);
    return yield* this.#forwards([to], (at) => this.#memory.read(this.#who, plus(to, at), NOTHING));
  }

  *#copy(from: bigint, destinations: readonly bigint[], length: number): Script<Fault | null> {
    const bytes = this.#buffer.subarray(0, length);
    let fault = yield* this.#memory.read(this.#who, from, bytes);
    for (const to of destinations) fault ??= yield* this.#memory.write(this.#who, to, bytes);
    return fault;
  }

  *#summed(from: bigint, to: bigint | null): Script<Outcome> {
    let crc = CRCGEN.CRC_SEED.get(this.#words);
    const destinations = to === null ? [] : [to];
    const work = this;
    const outcome = yield* this.#forwards([from, ...destinations], function* (at, length) {
      const fault = yield* work.#copy(
        plus(from, at),
        destinations.map((one) => plus(one, at)),
        length,
      );
      if (fault === null) crc = crc32c(crc, work.#buffer.subarray(0, length));
      return fault;
    });
    return { ...outcome, crc };
  }

  /** Looks for the first byte in which the source differs from what is elsewhere in memory, or from a pattern. */
  *#difference(other: bigint | Uint8Array): Script<Outcome> {
    const work = this;
    const one = COMPARE.SRC_ADDR.big(this.#words);
    const addresses = typeof other === 'bigint' ? [one, other] : [one];
    const second = new Uint8Array(this.#buffer.length);
    let difference = -1;
    const outcome = yield* this.#forwards(addresses, function* (at, length) {
      const [left, right] = [work.#buffer.subarray(0, length), second.subarray(0, length)];
      let fault = yield* work.#memory.read(work.#who, plus(one, at), left);
      if (typeof other !== 'bigint') repeat(other, at, right);
      else fault ??= yield* work.#memory.read(work.#who, plus(other, at), right);
      if (fault !== null) return fault;
      const place = left.findIndex((byte, i) => byte !== right[i]);
      if (place >= 0) difference = at + place;
      return place < 0 ? null : DIFFERENT;
    });
    if (outcome.fault !== DIFFERENT && outcome.status !== Status.SUCCESS) return outcome;
    const result = difference < 0 ? 0 : 1;
    const isExpected = !this.#operation.has(Flag.CR) || COMPARE.EXPECTED_RES.get(this.#words) === result;
    const status = isExpected ? Status.SUCCESS : Status.SUCCESS_PRED;
    return { status, result, completed: difference < 0 ? this.#size : difference };
  }

  *#forwards(addresses: readonly bigint[], step: Step): Script<Outcome> {
    for (let done = 0; done < this.#size; ) {
      const places = addresses.map((address) => plus(address, done));
      const length = withinPages(places, this.#size - done);
      const fault = yield* step(done, length);
      if (fault !== null) return stopped(fault, done);
      done += length;
    }
    return { ...DONE, completed: this.#size };
  }

  *#backwards(addresses: readonly bigint[], step: Step): Script<Outcome> {
    for (let left = this.#size; left > 0; ) {
      const places = addresses.map((address) => plus(address, left));
      const length = withinPagesBefore(places, left);
      const fault = yield* step(left - length, length);
      if (fault !== null) return stopped(fault, this.#size - left);
      left -= length;
    }
    return { ...DONE, completed: this.#size };
  }
}

/** Ends a comparison as a fault would. */
const DIFFERENT: Fault = { status: Status.SUCCESS, address: 0n, write: false };

function stopped(fault: Fault, completed: number): Outcome {
  return { status: fault.status, completed, fault };
}

function patternOf(value: bigint): Uint8Array {
  return bytesOf(splitWords(value, PATTERN_BYTES / 4));
}

/** Fills `into` with what stands `at` bytes behind the start of the pattern's repetition. */
function repeat(pattern: Uint8Array, at: number, into: Uint8Array): void {
  for (let i = 0; i < into.length; i++) into[i] = pattern[(at + i) % PATTERN_BYTES]!;
}
