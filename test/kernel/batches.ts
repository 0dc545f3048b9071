/** What the kernel's VT-d driver has put into the invalidation queue, batch by batch. */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { DescriptorType } from '../../hardware/vtd/spec/index.ts';
import type { Bench } from './bench.ts';
import { tapMemory } from './scalable-bench.ts';

const IQT_OFFSET = 0x88;
const IQA_OFFSET = 0x90;

/** Bits of a wait descriptor. */
const FENCE = 1n << 6n;
const PAGE_DRAIN = 1n << 7n;

/** The types of the descriptors of each batch, with what is special about a wait. */
export function batchesOf(bench: Bench): string[][] {
  const batches: string[][] = [];
  let batch: string[] = [];
  let ring = bench.unit.read(IQA_OFFSET, 8);
  ring &= ~0xfffn;
  const names = new Map(Object.entries(DescriptorType).map(([name, type]) => [type as number, name]));
  tapMemory(bench, (address, value) => {
    const offset = address - Number(ring);
    if (offset < 0 || offset >= 2 * PAGE_SIZE || offset % 32 !== 0) return;
    const type = Number(value & 0xfn);
    const isWait = type === DescriptorType.INVALIDATION_WAIT;
    const also = `${isWait && value & FENCE ? ' FN' : ''}${isWait && value & PAGE_DRAIN ? ' PD' : ''}`;
    batch.push(names.get(type)! + also);
  });
  bench.tap = (offset) => {
    if (offset === IQT_OFFSET) {
      batches.push(batch);
      batch = [];
    }
    return true;
  };
  return batches;
}
