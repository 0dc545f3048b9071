/**
 * What a program reads from an open `/dev/ioasid` or `/dev/iommu` when devices fault, and what it writes there to answer: the
 * proposal's fault reports (version 1 section 5.6, version 2 sections 2.1 and 4.6).
 *
 * It left open how reports travel; as in Linux today they are records of read(), and answers structures of write(). Codes of
 * responses and reasons are those of include/uapi/linux/iommu.h of that time. Version 1 does not say which device it was.
 */
import { padding, Struct, u32, u64 } from './struct.ts';

/** Of a record. */
export const IoasidFaultFlag = {
  /** A page request: it waits for an answer. Without it DMA was blocked, and that is all. */
  RECOVERABLE: 1,
  /** The last record of its group: with this one the answer is due. */
  LAST_PAGE: 2,
  /** Faults before this one were dropped, because nobody had read those before them. */
  LOST: 4,
  /** The space is a PASID table, and `vpasid` says in which of its spaces it happened. */
  PASID_VALID: 8,
} as const;

/** What the device wanted to do. */
export const IoasidFaultPermission = { READ: 1, WRITE: 2, EXEC: 4, PRIV: 8 } as const;

/** Why DMA was blocked. */
export const IoasidFaultReason = {
  UNKNOWN: 0,
  /** The PASID table could not be read. */
  PASID_FETCH: 1,
  BAD_PASID_ENTRY: 2,
  /** It is out of range, or the device may send none. */
  PASID_INVALID: 3,
  /** An entry of an I/O page table could not be read, or updated. */
  WALK_EABT: 4,
  /** An entry of an I/O page table translates nothing. */
  PTE_FETCH: 5,
  PERMISSION: 6,
  ACCESS: 7,
  OOR_ADDRESS: 8,
} as const;

export type IoasidFaultReason = (typeof IoasidFaultReason)[keyof typeof IoasidFaultReason];

export const IoasidPageResponse = { SUCCESS: 0, INVALID: 1, FAILURE: 2 } as const;

const argsz = u32('size of this structure as its writer knows it');
const dev_cookie = u64('the device, by the cookie of its bind');

const RECORD = {
  argsz,
  flags: u32('what kind of fault it is', IoasidFaultFlag),
  ioasid: u32('the I/O address space in which it happened'),
  perm: u32('what the device wanted', IoasidFaultPermission),
  addr: u64('page of the I/O virtual address'),
  group: u32('with RECOVERABLE: what the answer has to name'),
  reason: u32('without RECOVERABLE', IoasidFaultReason),
  vpasid: u32('with PASID_VALID'),
  padding,
};

const RESPONSE = {
  argsz,
  flags: u32('none is defined'),
  ioasid: u32('that of the record'),
  group: u32('that of the record'),
  code: u32('the answer to all page requests of the group', IoasidPageResponse),
  padding,
};

export const IOASID_FAULT = new Struct('ioasid_fault', 'RFC v1 5.6', RECORD);
export const IOMMU_FAULT = new Struct('iommu_fault', 'RFC v2 2.1', { ...RECORD, dev_cookie });
export const IOASID_PAGE_RESPONSE = new Struct('ioasid_page_response', 'RFC v1 5.6', RESPONSE);
export const IOMMU_PAGE_RESPONSE = new Struct('iommu_page_response', 'RFC v2 4.6', { ...RESPONSE, dev_cookie });
