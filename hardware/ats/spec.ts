/**
 * Address Translation Services and the Page Request Interface as they stand on the wire: what translation requests,
 * their completions and the four messages say.
 *
 * Each structure has 64 bits whose upper half travels first, byte 7 of it before all others: in a message the upper half
 * is DW2 of the header and the lower DW3, in data it is the first DW. The rest of a header is that of any TLP: the ITag of
 * an Invalidate Request is its tag, the PASID stands in a prefix.
 *
 * Not acted on: CXL_IO and AMA travel but decide nothing; SRC_CXL and MARKER_TYPE are sent as 0 and not looked at.
 */
import { field, flag, layout } from '../bits/index.ts';

/** log2 of the bytes of the smallest range, and of the whole space. */
export const SMALLEST_SHIFT = 12;
export const WHOLE_SHIFT = 64;

/** Bytes of one entry of a translation completion, and of the data of an Invalidate Request. */
export const TRANSLATION_BYTES = 8;

/** ITags of one sender of Invalidate Requests. */
export const ITAGS = 32;
/** A completion count of 0 stands for so many. */
export const MOST_COMPLETIONS = 8;
/** Page request group indices of a function. */
export const PAGE_REQUEST_GROUPS = 512;
/** Invalidate Queue Depth 0 stands for so many. */
export const DEEPEST_INVALIDATE_QUEUE = 32;

/**
 * Address bits that also say a size when S is set: the lowest 0 bit from bit 12 on, at position p, makes a range of
 * 2^(p + 1) bytes.
 */
const SIZED = 'address bits 63:12; with S the lowest 0 bit gives the size';
const S = flag(11, 'the range is larger than 4096 bytes');

export const TRANSLATION_REQUEST = layout('Translation Request address', 64, 'PCIe 10.2.2: Translation Request', {
  NW: flag(0, 'no write: the device does not ask for write permission'),
  SRC_CXL: flag(3, 'a CXL device asks'),
  ADDRESS: field(63, 12, 'untranslated address bits 63:12'),
});

export const TRANSLATION_COMPLETION = layout(
  'Translation Completion entry',
  64,
  'PCIe 10.2.3: Translation Completion',
  {
    R: flag(0, 'reads are permitted'),
    W: flag(1, 'writes are permitted'),
    U: flag(2, 'untranslated access only: translated requests must not be used'),
    EXE: flag(3, 'execution is permitted'),
    PRIV: flag(4, 'the permissions are those of privileged mode'),
    GLOBAL: flag(5, 'valid under every PASID'),
    AMA: field(8, 6, 'memory attributes'),
    CXL_IO: flag(9, 'a CXL device uses CXL.io'),
    N: flag(10, 'non-snooped accesses: requests that use it must not say No Snoop'),
    S,
    TRANSLATED_ADDRESS: field(63, 12, SIZED),
  },
);

export const INVALIDATE_REQUEST = layout('Invalidate Request data', 64, 'PCIe 10.3.1: Invalidate Request', {
  GLOBAL_INVALIDATE: flag(0, 'entries of every PASID'),
  S,
  UNTRANSLATED_ADDRESS: field(63, 12, SIZED),
});

export const INVALIDATE_COMPLETION = layout('Invalidate Completion', 64, 'PCIe 10.3.2: Invalidate Completion', {
  ITAG_VECTOR: field(31, 0, 'bit n: the Invalidate Request with ITag n'),
  COMPLETION_COUNT: field(34, 32, 'how many completions each of them has; 0 means 8'),
  DEVICE_ID: field(63, 48, 'who sent the Invalidate Request'),
});

export const PAGE_REQUEST = layout('Page Request', 64, 'PCIe 10.4.1: Page Request Message', {
  R: flag(0, 'read access is requested'),
  W: flag(1, 'write access is requested'),
  L: flag(2, 'last request of its group'),
  PRG_INDEX: field(11, 3, 'page request group index'),
  PAGE_ADDRESS: field(63, 12, 'untranslated address bits 63:12'),
});

/** A Page Request with L and neither R nor W under a PASID, of which all else is 0. It has no answer. */
export const STOP_MARKER = layout('Stop Marker', 64, 'PCIe 10.4.1.2.1: Stop Marker Message', {
  R: flag(0, '0'),
  W: flag(1, '0'),
  L: flag(2, '1'),
  MARKER_TYPE: field(7, 3, '0'),
});

/** What a PRG Response says. All other codes count as a response failure. */
export const ResponseCode = { SUCCESS: 0b0000, INVALID_REQUEST: 0b0001, RESPONSE_FAILURE: 0b1111 } as const;

export const PRG_RESPONSE = layout('PRG Response', 64, 'PCIe 10.4.2: PRG Response Message', {
  PRG_INDEX: field(40, 32, 'page request group index'),
  RESPONSE_CODE: field(47, 44, 'how the group ended', ResponseCode),
  DESTINATION_DEVICE_ID: field(63, 48, 'function that asked'),
});
