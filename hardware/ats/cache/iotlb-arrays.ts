/** How an IOTLB is organised: one set-associative array for the pages of every size, or some sizes apart. */
import { ENTRY_WORDS } from './iotlb-words.ts';
import { ReplacementSets, type SetsSpec, wordsOf } from './replacement.ts';

/** The page sizes that may have an array of their own, with log2 of their bytes. */
export const OWN_SIZES = { '2M': 21, '1G': 30 } as const;
export type OwnSize = keyof typeof OWN_SIZES;

/** The array for pages of every size that has none of its own, and those of the sizes that have. Not architectural. */
export type IotlbSpec = SetsSpec & { readonly [S in OwnSize]?: SetsSpec | null };

export interface IotlbArray {
  readonly spec: SetsSpec;
  /** The size of its pages; `null` when it holds all sizes that have no array of their own. */
  readonly size: OwnSize | null;
  readonly sets: ReplacementSets;
}

/** log2 of the bytes of a range is less. */
const SHIFTS = 64;

export class IotlbArrays {
  /**
   * The entries of all arrays, one array after the other; their queues; and the buckets, a power of two, of
   * the hash by which entries are found. It is one array, because each further one that is looked at costs more.
   */
  readonly words: Int32Array;
  /** The words of the entries, which are the first. */
  readonly entryWords: number;
  readonly firstBucket: number;
  readonly list: readonly IotlbArray[];
  /** By log2 of a page's bytes: the array that may hold it. */
  readonly byShift: readonly IotlbArray[];

  constructor(spec: IotlbSpec) {
    const sizes = (Object.keys(OWN_SIZES) as OwnSize[]).filter((size) => (spec[size] ?? null) !== null);
    const specs: readonly SetsSpec[] = [spec, ...sizes.map((size) => spec[size]!)];
    const lengths = specs.map(wordsOf);
    this.entryWords = lengths.reduce((sum, { entries }) => sum + entries, 0);
    this.firstBucket = lengths.reduce((sum, { queues }) => sum + queues, this.entryWords);
    const words = new Int32Array(this.firstBucket + bucketsFor(this.entryWords));
    let first = 0;
    let queues = this.entryWords;
    this.words = words;
    this.list = specs.map((own, i) => {
      const sets = new ReplacementSets(own, words, first, queues);
      first += lengths[i]!.entries;
      queues += lengths[i]!.queues;
      return { spec: own, size: sizes[i - 1] ?? null, sets };
    });
    const byShift = new Array<IotlbArray>(SHIFTS).fill(this.list[0]!);
    for (const array of this.list) if (array.size !== null) byShift[OWN_SIZES[array.size]] = array;
    this.byShift = byShift;
  }
}

/** At least two for each entry. Shifted, because V8 keeps a power as a number with a fraction, and what is made of it. */
function bucketsFor(entryWords: number): number {
  return 1 << (33 - Math.clz32(entryWords / ENTRY_WORDS));
}
