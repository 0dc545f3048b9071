/** What tables of both vendors have in common: where registers can be, and memory that devices must go on reaching. */
import { PAGE_SIZE, PHYSICAL_BITS } from '../../../hardware/bits/index.ts';
import type { CpuMemory, Firmware, Range } from '../bus.ts';
import type { DirectRun } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';
import type { PageRun } from '../page-run.ts';

export interface FirmwareServices {
  readonly memory: CpuMemory;
  readonly firmware: Firmware;
  readonly log: KernelLog;
}

const PAGE = BigInt(PAGE_SIZE);

/** Why a unit cannot have `bytes` of registers at `base`; `undefined` when it can. */
export function wrongPlace({ memory, reserved, mmio }: Firmware, base: bigint, bytes: number): string | undefined {
  const end = base + BigInt(bytes);
  if (base === 0n || base % BigInt(bytes) !== 0n || end > 1n << BigInt(PHYSICAL_BITS)) {
    return 'no register page can be there';
  }
  const overlaps = ([start, length]: Range): boolean => base < start + length && end > start;
  if ([...memory, ...reserved].some(overlaps)) return 'there is RAM';
  return overlaps(mmio) ? 'that is where devices are placed' : undefined;
}

/** The pages from `start` up to `end` if they are whole and firmware's memory map also keeps them from the kernel. */
export function reservedRun({ reserved }: Firmware, start: bigint, end: bigint): PageRun | undefined {
  const isWhole = start % PAGE === 0n && end % PAGE === 0n && end > start;
  if (!isWhole || !reserved.some(([first, size]) => start >= first && end <= first + size)) return undefined;
  return { first: Number(start / PAGE), pages: Number((end - start) / PAGE) };
}

/** The same pages, each once and with every right that a run gives. */
export function united(runs: readonly DirectRun[]): DirectRun[] {
  const edges = runs
    .flatMap(({ first, pages, protection }) => [
      { page: first, step: 1, protection },
      { page: first + pages, step: -1, protection },
    ])
    .sort((a, b) => a.page - b.page);
  const result: DirectRun[] = [];
  let [readers, writers, from] = [0, 0, 0];
  for (const { page, step, protection } of edges) {
    if (page > from && readers + writers > 0) {
      join(result, { first: from, pages: page - from, protection: { read: readers > 0, write: writers > 0 } });
    }
    from = page;
    if (protection.read) readers += step;
    if (protection.write) writers += step;
  }
  return result;
}

/** Appends a run, to the last one where it goes on with the same rights. */
function join(runs: DirectRun[], run: DirectRun): void {
  const last = runs.at(-1);
  const goesOn =
    last !== undefined &&
    last.first + last.pages === run.first &&
    last.protection.read === run.protection.read &&
    last.protection.write === run.protection.write;
  if (goesOn) runs[runs.length - 1] = { ...last, pages: last.pages + run.pages };
  else runs.push(run);
}
