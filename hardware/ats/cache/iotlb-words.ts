/** What an entry of an `Iotlb` holds, and which word of it holds what. */

/** One entry as plain data. */
export interface IotlbEntry {
  readonly space: number;
  /** 4 KiB page number of the first page. */
  readonly page: number;
  /** log2 of the page's bytes. */
  readonly shift: number;
  /** Host address of the page. */
  readonly frame: number;
  readonly flags: number;
  readonly domain: number;
  /** -1 where nothing is invalidated by PASID. */
  readonly pasid: number;
}

// One array for all of it, because each further one costs a look-up more.
export const PAGE_LO = 0;
/** Upper page bits and, above them, the shift: one comparison tests both. */
export const PAGE_HI = 1;
export const SPACE = 2;
/** Host address of the page, as halves. */
export const FRAME_HI = 3;
export const FRAME_LO = 4;
/** What the unit keeps with a translation: rights in the low two bits. */
export const FLAGS = 5;
export const DOMAIN = 6;
/** 0 in a free entry. */
export const SHIFT = 7;
/** When the entry was last used, in uses of this IOTLB; NEVER in a free entry. */
export const USED = 8;
/** The list of entries with the same hash that this one is in, and the next of them. */
export const BUCKET = 9;
export const NEXT = 10;
export const PASID = 11;
export const ENTRY_WORDS = 12;

export const NEVER = 0;
