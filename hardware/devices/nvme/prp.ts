/**
 * Physical region pages: where the data of a command is. NVM Express Base 1.4, 4.3.
 *
 * PRP1 is the first page, or the rest of one. If the rest of the data fits into one page, PRP2 is that page, otherwise a list
 * of pages. Where a list does not fit into the rest of the page that it begins in, the last entry of that page says where it
 * goes on, at the beginning of a page. A list page with room for two entries or more is thus always some data further on: no
 * list is longer than its data, whatever software writes.
 */
import { wordAt } from '../../bits/index.ts';
import { type Dma, DmaStatus, type DmaTarget } from '../../pcie/index.ts';
import type { Script } from '../../sim/index.ts';
import { PRP_BYTES, SQE, Status } from './spec/index.ts';

/** A part of the data that lies in one page. */
export interface Segment {
  readonly at: DmaTarget;
  readonly length: number;
}

/** Where the `length` bytes of a command are: or the status with which it fails. */
export function* segmentsOf(dma: Dma, words: Uint32Array, length: number, page: number): Script<Segment[] | number> {
  const first = prpAt(words, SQE.PRP1.word);
  if ((first.lo & 3) !== 0) return Status.PRP_OFFSET_INVALID;
  const segments: Segment[] = [];
  let left = length;
  const take = (at: DmaTarget, room: number) => {
    const part = Math.min(left, room);
    segments.push({ at, length: part });
    left -= part;
  };
  take(first, page - offsetIn(first, page));
  if (left === 0) return segments;
  let list = prpAt(words, SQE.PRP2.word);
  if (left <= page) {
    if (offsetIn(list, page) !== 0) return Status.PRP_OFFSET_INVALID;
    take(list, page);
    return segments;
  }
  if ((list.lo & (PRP_BYTES - 1)) !== 0) return Status.PRP_OFFSET_INVALID;
  while (left > 0) {
    const wanted = Math.ceil(left / page);
    const room = (page - offsetIn(list, page)) / PRP_BYTES;
    const count = Math.min(wanted, room);
    const { status, data } = yield* dma.read(list, count * PRP_BYTES);
    if (status !== DmaStatus.SUCCESS) return Status.DATA_TRANSFER_ERROR;
    for (let i = 0; i < count; i++) {
      const entry = { hi: wordAt(data, i * PRP_BYTES + 4) | 0, lo: wordAt(data, i * PRP_BYTES) | 0 };
      if (offsetIn(entry, page) !== 0) return Status.PRP_OFFSET_INVALID;
      if (count < wanted && i === count - 1) list = entry;
      else take(entry, page);
    }
  }
  return segments;
}

/** The address in the two words from `word` on. */
export function prpAt(words: Uint32Array, word: number): DmaTarget {
  return { hi: words[word + 1]! | 0, lo: words[word]! | 0 };
}

function offsetIn({ lo }: DmaTarget, page: number): number {
  return lo & (page - 1);
}
