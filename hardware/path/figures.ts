/** How much a command is for each part of the path: bytes on the link, TLPs, lines, blocks, and the times that go with these. */
import { LINE_BYTES } from '../memory/index.ts';
import { FRAMING_BYTES } from '../pcie/index.ts';
import { type Duration, ns } from '../sim/index.ts';
import type { DmaDeviceSpec, PathRootSpec } from './parameters.ts';

const BLOCK_BYTES = 128;
/** Transfers of so many bytes, and multiples, land as bursts. */
const BURST_BYTES = 512;
/** Of requests with 64-bit addresses, and of completions. */
const REQUEST_BYTES = FRAMING_BYTES + 16;
const COMPLETION_BYTES = FRAMING_BYTES + 12;

/** Of a request on the link, with `data` bytes. */
export function requestBytes(data: number): number {
  return REQUEST_BYTES + ((data + 3) & ~3);
}

export function completionBytes(data: number): number {
  return COMPLETION_BYTES + ((data + 3) & ~3);
}

/** Cache lines that `length` bytes touch from an address with this low half on. */
export function linesOf(lo: number, length: number): number {
  return chunksOf(lo, length, LINE_BYTES);
}

/** Pieces of `length` bytes from an address with this low half on, cut at multiples of `size`, a power of two. */
export function chunksOf(lo: number, length: number, size: number): number {
  return Math.floor(((lo & (size - 1)) + length + size - 1) / size);
}

/** Who sends on the link up, if it is none of the two slots of the write engine, 0 and 1. */
export const READS = -1;
export const NOBODY = -2;

/** Whether the link needs its turnaround: for a source other than the last one, or a write from the slot of the last write. */
export function isSlowAfter(last: number, source: number): boolean {
  return source === READS ? last >= 0 : last === READS || last === source;
}

/** Picoseconds from a read of `length` bytes to the next that the root complex takes. */
export function readGap({ read: { request, byte } }: PathRootSpec, length: number): number {
  return Math.floor((request + length * byte) * 1000);
}

/** Picoseconds until everybody sees a write whose turn has come; `isHere`: it needs no room made for its lines. */
export function writeTime({ write: { visible, allocate } }: PathRootSpec, isHere: boolean): Duration {
  return ns(isHere ? visible : visible + allocate);
}

/** Blocks of a write that begin in the `length` bytes from `place` on. */
export function blocksIn(place: number, length: number): number {
  return blocksBefore(place + length) - blocksBefore(place);
}

/** Picoseconds in which the device puts away what a read command has brought. */
export function landingTime({ landing: { command, line, burstByte } }: DmaDeviceSpec, length: number): number {
  if (length % BURST_BYTES === 0) return Math.floor(length * burstByte * 1000);
  const words = length & ~3;
  const lines = linesOf(0, words) + (length === words ? 0 : 1);
  return Math.floor((command + lines * line) * 1000);
}

function blocksBefore(place: number): number {
  return Math.floor((place + BLOCK_BYTES - 1) / BLOCK_BYTES);
}
