/** Pieces of memory as a device sees them. */
import { addressOf, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import type { DeviceBuffer } from '../drivers/memory.ts';

/** Part of a buffer, in bytes; what is left out is all that there is. */
export interface DmaPiece {
  readonly buffer: DeviceBuffer;
  readonly offset?: number;
  readonly length?: number;
}

/** What a device sees in a row. */
export interface DmaSegment {
  readonly iova: bigint;
  readonly length: number;
}

/** The whole pages that pieces lie in, one after the other. */
export interface Lending {
  readonly frames: Float64Array;
  readonly parts: readonly Part[];
}

/** A piece within one page. */
interface Part {
  /** Index of its frame. */
  readonly page: number;
  readonly offset: number;
  readonly length: number;
}

/** `null` when a piece is empty or beyond its buffer, or there is none. */
export function lendingOf(pieces: readonly DmaPiece[]): Lending | null {
  const frames: number[] = [];
  const parts: Part[] = [];
  for (const { buffer, offset = 0, length = buffer.length - offset } of pieces) {
    const isWhole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (!isWhole || offset < 0 || length <= 0 || offset + length > buffer.length) return null;
    for (let at = offset; at < offset + length; ) {
      const within = at % PAGE_SIZE;
      const part = Math.min(offset + length - at, PAGE_SIZE - within);
      parts.push({ page: frames.length, offset: within, length: part });
      frames.push(buffer.frames[Math.floor(at / PAGE_SIZE)]!);
      at += part;
    }
  }
  return frames.length === 0 ? null : { frames: Float64Array.from(frames), parts };
}

/** The pieces at the pages that the device knows them by, joined where one ends and the next begins. */
export function segmentsOf({ parts }: Lending, pageOfPart: (page: number) => PageNumber): DmaSegment[] {
  const segments: DmaSegment[] = [];
  for (const { page, offset, length } of parts) {
    const iova = addressOf(pageOfPart(page), offset);
    const last = segments.at(-1);
    if (last !== undefined && last.iova + BigInt(last.length) === iova) {
      segments[segments.length - 1] = { iova: last.iova, length: last.length + length };
    } else {
      segments.push({ iova, length });
    }
  }
  return segments;
}
