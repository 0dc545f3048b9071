/** Memory of a driver inside the kernel: pages that its device is given, and that it reads and writes itself. */
import { ceilingLog2, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';

const PURPOSE = 'driver memory';

/** Pages that belong together, cleared when they come. */
export interface DeviceBuffer {
  readonly frames: Float64Array;
  /** Bytes. */
  readonly length: number;
}

export class DriverMemory {
  readonly #allocator: PageAllocator;
  readonly #memory: CpuMemory;
  readonly #buffers = new Set<DeviceBuffer>();

  constructor(allocator: PageAllocator, memory: CpuMemory) {
    this.#allocator = allocator;
    this.#memory = memory;
  }

  /** -ENOMEM when there are no `pages` pages; `contiguous`: in a row. */
  allocate(pages: number, { contiguous = false } = {}): DeviceBuffer | number {
    const frames = contiguous ? this.#inARow(pages) : this.#allocator.allocateAll(PURPOSE, pages);
    if (typeof frames === 'number') return frames;
    const buffer = { frames: Float64Array.from(frames), length: pages * PAGE_SIZE };
    this.#buffers.add(buffer);
    return buffer;
  }

  /** Nobody may be able to reach the pages any more. */
  free(buffer: DeviceBuffer): void {
    if (!this.#buffers.delete(buffer)) throw new Error("a buffer is freed that is not the driver's");
    for (const frame of buffer.frames) this.#allocator.release(frame as PageNumber);
  }

  freeAll(): void {
    for (const buffer of this.#buffers) this.free(buffer);
  }

  /** The first of a block of a power of two; the others are given back. */
  #inARow(pages: number): PageNumber[] | number {
    const order = ceilingLog2(pages);
    const first = this.#allocator.allocate(PURPOSE, order);
    if (first < 0) return first;
    this.#allocator.split(first);
    for (let i = pages; i < 2 ** order; i++) this.#allocator.release(first + i);
    return Array.from({ length: pages }, (_, i) => first + i);
  }

  read(buffer: DeviceBuffer, from: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    eachPart(buffer, from, length, (address, at, part) => bytes.set(this.#memory.read(address, part), at));
    return bytes;
  }

  write(buffer: DeviceBuffer, from: number, bytes: Uint8Array): void {
    eachPart(buffer, from, bytes.length, (address, at, part) => {
      this.#memory.write(address, bytes.subarray(at, at + part));
    });
  }
}

function eachPart(
  { frames, length: size }: DeviceBuffer,
  from: number,
  length: number,
  visit: (address: number, at: number, part: number) => void,
): void {
  if (from < 0 || from + length > size)
    throw new RangeError(`bytes ${from} to ${from + length} of a buffer of ${size}`);
  for (let at = 0; at < length; ) {
    const offset = (from + at) % PAGE_SIZE;
    const part = Math.min(length - at, PAGE_SIZE - offset);
    visit(frames[Math.floor((from + at) / PAGE_SIZE)]! * PAGE_SIZE + offset, at, part);
    at += part;
  }
}
