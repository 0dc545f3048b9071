/** How much a command is for each part of the path: bytes on the link, lines, blocks, and the time in which it is put away. */
import { FRAMING_BYTES } from '../pcie/index.ts';
import type { DmaDeviceSpec } from './parameters.ts';

const LINE_BYTES = 64;
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
  return Math.floor(((lo & (LINE_BYTES - 1)) + length + LINE_BYTES - 1) / LINE_BYTES);
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
