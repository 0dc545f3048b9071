/**
 * Functional translation through a whole VT-d unit in legacy mode with every check on: IOTLB, context cache, 4-level
 * second stage in sparse memory, rights, reserved bits, interrupt range.
 */

import { Access, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Random } from '../../hardware/sim/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';
import type { BenchCase } from '../case.ts';

const OPERATIONS = 100_000;
const REQUESTER = 0x0018;
const IOVA = 0x7f00_0000_0000;
const PAGE = 4096;

/** Registers of the recorded machine `legacy48`: 48-bit, 2M and 1G pages, queued invalidation. */
const CAPABILITIES = { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an };
const IOTLB = { sets: 32, ways: 8 };

/** A unit that translates `pages` consecutive pages for one requester. */
function makeUnit(pages: number): VtdUnit {
  const memory = new PhysicalMemory();
  const unit = new VtdUnit(
    {
      capabilities: CAPABILITIES,
      hostAddressWidth: 48,
      faultCompression: true,
      iotlb: IOTLB,
      contextCache: { sets: 16, ways: 4 },
    },
    { memory, raiseMsi: () => {} },
  );
  let next = 0x10_0000;
  const table = (): number => {
    next += PAGE;
    return next;
  };
  const [root, contexts, top] = [table(), table(), table()];
  memory.write64(root, BigInt(contexts) | 1n);
  memory.write64(contexts + (REQUESTER & 0xff) * 16, BigInt(top) | 1n);
  memory.write64(contexts + (REQUESTER & 0xff) * 16 + 8, 0x0102n);
  for (let page = 0; page < pages; page++) {
    const iova = IOVA + page * PAGE;
    let at = top;
    for (let level = 4; level > 1; level--) {
      const entry = at + (Math.floor(iova / 2 ** (12 + 9 * (level - 1))) % 512) * 8;
      if (memory.read64(entry) === 0n) memory.write64(entry, BigInt(table()) | 3n);
      at = Number(memory.read64(entry) & ~0xfffn);
    }
    memory.write64(at + (Math.floor(iova / PAGE) % 512) * 8, BigInt(0x4000_0000 + page * PAGE) | 3n);
  }
  unit.write(0x20, 8, BigInt(root));
  unit.write(0x18, 4, 0x4000_0000n);
  unit.write(0x18, 4, 0x8000_0000n);
  return unit;
}

/** Translates the pages of `stream` in turn. */
function translating(pages: number, stream: Int32Array): () => number {
  const unit = makeUnit(pages);
  const t = new Translation<never>();
  const hi = Math.floor(IOVA / 2 ** 32);
  const mask = stream.length - 1;
  return () => {
    let sum = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const offset = stream[i & mask]!;
      unit.translate(t.ask(REQUESTER, NO_PASID, Access.READ, hi, offset));
      sum = (sum + t.hpaLo) | 0;
      if (t.status !== Status.SUCCESS) throw new Error(`page ${offset >>> 12} did not translate`);
    }
    return sum;
  };
}

const STREAM = 1 << 14;

/** Uniform over 128 pages: all in a 256-entry IOTLB. */
export const hit: BenchCase = {
  name: 'hit',
  operation: 'translation that hits the IOTLB',
  goalNsPerOp: 20,
  operations: OPERATIONS,
  make() {
    const random = new Random(1);
    return translating(
      128,
      Int32Array.from({ length: STREAM }, () => random.below(128) * PAGE + random.below(1024) * 4),
    );
  },
};

/** Round and round over 1,024 pages: least recently used replacement misses every time. */
export const miss4: BenchCase = {
  name: 'miss4',
  operation: 'translation that misses and walks 4 levels',
  goalNsPerOp: 100,
  operations: OPERATIONS,
  make: () =>
    translating(
      1024,
      Int32Array.from({ length: STREAM }, (_, i) => (i % 1024) * PAGE),
    ),
};
