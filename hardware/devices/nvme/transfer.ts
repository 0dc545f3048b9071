/** The data of a command, between the controller and where its PRPs say. */
import { type Dma, DmaStatus } from '../../pcie/index.ts';
import type { Engine, Script } from '../../sim/index.ts';
import { type Segment, segmentsOf } from './prp.ts';
import { Status } from './spec/index.ts';

/** What a transfer needs of the controller. */
export interface Mover {
  readonly engine: Engine;
  readonly dma: Dma;
  /** Memory page size in bytes. */
  readonly page: number;
}

/** Data to memory: a status. Writes are posted, so success means that they are on their way. */
export function* toHost({ dma, page }: Mover, words: Uint32Array, data: Uint8Array): Script<number> {
  const segments = yield* segmentsOf(dma, words, data.length, page);
  if (typeof segments === 'number') return segments;
  let from = 0;
  for (const { at, length } of segments) {
    const status = yield* dma.write(at, data.subarray(from, from + length));
    if (status !== DmaStatus.SUCCESS) return Status.DATA_TRANSFER_ERROR;
    from += length;
  }
  return Status.SUCCESSFUL_COMPLETION;
}

/** Data from memory, of all pages at a time: or the status with which the command fails. */
export function* fromHost(mover: Mover, words: Uint32Array, length: number): Script<Uint8Array | number> {
  const { engine, dma, page } = mover;
  const segments = yield* segmentsOf(dma, words, length, page);
  if (typeof segments === 'number') return segments;
  const data = new Uint8Array(length);
  let from = 0;
  const reads = segments.map((segment) => {
    const into = data.subarray(from, from + segment.length);
    from += segment.length;
    return engine.spawn(read(dma, segment, into), 'a read of data');
  });
  for (const { done } of reads) yield done;
  return reads.every(({ result }) => result) ? data : Status.DATA_TRANSFER_ERROR;
}

function* read(dma: Dma, { at, length }: Segment, into: Uint8Array): Script<boolean> {
  return (yield* dma.read(at, length, into)).status === DmaStatus.SUCCESS;
}
