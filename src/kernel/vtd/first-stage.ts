/** First-stage tables (VT-d 3.6) as the driver makes them: the CPU's format, in the lower half of its addresses. */
import { FS_PTE, type PageTableFormat, x86Paging } from '../../../hardware/formats/index.ts';
import type { ScalableCapabilities } from './capabilities.ts';

const ACCESSED = BigInt(FS_PTE.A.mask);
const DIRTY = BigInt(FS_PTE.D.mask);

/**
 * Hardware sets accessed and dirty flags only when its walks snoop, and blocks a request that it would have to set one
 * for; without, they are set from the start.
 */
export function firstStageFormat(levels: 4 | 5, capabilities: ScalableCapabilities): PageTableFormat {
  const { firstStageSuperpages, walkSnoop } = capabilities;
  const format = x86Paging({ levels, superpages: firstStageSuperpages });
  if (walkSnoop) return format;
  return {
    ...format,
    table: (level, address) => format.table(level, address) | ACCESSED,
    leaf: (level, address, protection) => format.leaf(level, address, protection) | ACCESSED | DIRTY,
  };
}
