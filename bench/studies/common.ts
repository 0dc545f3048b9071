/** What several studies have in common. */
import { choice, measureReads, wholeNumber } from '../../src/index.ts';

/** Reads that fill the caches before those that count. */
const WARM_UP = 4000;

export const VENDOR = choice('VT-d in scalable mode, or AMD-Vi', ['intel', 'amd']);

export const TRANSFERS = wholeNumber('reads that count', '', { least: 1, most: 1e9 }, [20_000]);

/** What a workbench is, for those who read the results. */
export const WORKBENCH =
  'A device with 28 reads of 64 bytes under way, its link, root complex and memory are those of the Broadwell server of pcie-bench; what it reads comes from DRAM. ' +
  'The IOMMU is a VT-d or an AMD-Vi unit with its own registers, tables and caches; whichever the vendor, an access of memory by a walk ' +
  'takes about 280 ns, six walks go on at a time, and misses of one page become one walk.';

/** Of the entries that lead from a requester to its tables: more than there are requesters. */
const DEVICES = { sets: 1, ways: 8 } as const;

/** Entries of the IOTLB, where they are not what is asked about. */
export const IOTLB = { sets: 1, ways: 128 } as const;

export const STAGES_MEANING = "the host's tables, a guest's, or a guest's over the host's";

type Workbench = Parameters<typeof measureReads>[0];
type Caches = Omit<Workbench['caches'], 'devices'>;

/** What a study may ask about; everything else about the workbench is the same for all of them. */
interface Asked extends Partial<Pick<Workbench, 'stages' | 'pageSize' | 'pattern' | 'ats'>> {
  readonly vendor: Workbench['vendor'];
  readonly pages: number;
  readonly caches: Caches;
  readonly transfers: number;
}

/** Lets `transfers` reads of 64 bytes count on a workbench: of any line of any page of 4 KiB, if nothing else is asked. */
export function readOnWorkbench({ caches, transfers, ...asked }: Asked, seed: number): ReturnType<typeof measureReads> {
  const usual = { stages: 'host', pageSize: '4K', pattern: 'uniform', requesters: 1, walkers: 6, bytes: 64 } as const;
  const spec = { ...usual, ...asked, caches: { devices: DEVICES, ...caches }, seed };
  return measureReads(spec, { warmUp: WARM_UP, transfers });
}
