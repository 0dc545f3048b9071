/**
 * The four messages of ATS and the page request interface, between TLPs and plain values. Both sides use it: each pair of
 * functions fills a TLP and reads one.
 */
import { highOf, lowOf } from '../bits/index.ts';
import { MessageCode, NO_PASID, type Tlp, TlpKind } from '../pcie/index.ts';
import { belowHigh, belowLow, type Halves, overlap, sizedShift } from './ranges.ts';
import {
  INVALIDATE_COMPLETION,
  INVALIDATE_REQUEST,
  ITAGS,
  PAGE_REQUEST,
  PRG_RESPONSE,
  STOP_MARKER,
  TRANSLATION_BYTES,
} from './spec.ts';
import { halfAt, putHalves } from './translation-entry.ts';

/** What an agent tells a device to drop. */
export interface DeviceTlbInvalidation {
  /** The function that is told. */
  readonly requester: number;
  readonly pasid: number | undefined;
  /** GI: every PASID. */
  readonly global: boolean;
  readonly address: bigint;
  /** S: the lowest 0 bit of the page number gives the size of the range. */
  readonly isRange: boolean;
  /** ITag: what the completion has to name, where completions are awaited. */
  readonly tag?: number;
}

/** The same as a device reads it: 2^shift bytes from an address on. */
export interface Invalidation {
  /** Who wants the completion. */
  readonly agent: number;
  readonly tag: number;
  /** -1 without a PASID: whatever the entry's. */
  readonly pasid: number;
  readonly global: boolean;
  readonly hi: number;
  readonly lo: number;
  readonly shift: number;
}

/** True when an invalidation names a part of the 2^shift bytes at `range`, as they are reached under `pasid` or without. */
export function concerns(one: Invalidation, pasid: number, range: Halves, shift: number): boolean {
  const isInRange = overlap(one.hi, one.lo, one.shift, range, shift);
  // Without a PASID it is about its range of what has none, and about everything that has one.
  if (one.pasid === NO_PASID) return pasid !== NO_PASID || isInRange;
  return isInRange && pasid !== NO_PASID && (one.global || one.pasid === pasid);
}

/** What a device answers when it has carried invalidations out. */
export interface InvalidationCompletion {
  /** The device. */
  readonly requester: number;
  /** ITag vector: bit n stands for tag n. */
  readonly tags: number;
  /** How many such completions there are for each of them; 0 stands for 8. */
  readonly count: number;
}

/** A page request message as a device sends it. */
export interface PageRequest {
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly hi: number;
  readonly lo: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
  /** Last page in group: it wants an answer. With neither read nor write it is a stop marker. */
  readonly last: boolean;
  /** PRGI. */
  readonly group: number;
}

export interface PageGroupResponse {
  /** The function that asked. */
  readonly requester: number;
  readonly pasid: number | undefined;
  /** PRGI. */
  readonly group: number;
  /** 0 success, 1 invalid request, 15 response failure. */
  readonly code: number;
}

const PAGE = -4096;
const COUNT = INVALIDATE_COMPLETION.COMPLETION_COUNT.mask;

export function invalidateRequest(tlp: Tlp, agent: number, { requester, address, ...one }: DeviceTlbInvalidation): Tlp {
  tlp.messageTo(requester, agent, MessageCode.INVALIDATE_REQUEST).withMessageData(TRANSLATION_BYTES);
  const flags =
    (one.isRange ? INVALIDATE_REQUEST.S.mask : 0) | (one.global ? INVALIDATE_REQUEST.GLOBAL_INVALIDATE.mask : 0);
  putHalves(tlp.data!, 0, { hi: highOf(address), lo: (lowOf(address) & PAGE) | flags });
  tlp.tag = one.tag ?? 0;
  return one.pasid === undefined ? tlp : tlp.withPasid(one.pasid, false, false);
}

/** `null` when the message does not carry what such a message carries. */
export function readInvalidateRequest(tlp: Tlp): Invalidation | null {
  if (tlp.kind !== TlpKind.MESSAGE_DATA || tlp.length !== TRANSLATION_BYTES || tlp.tag >= ITAGS) return null;
  const hi = halfAt(tlp.data!, 0);
  const lo = halfAt(tlp.data!, 4);
  const shift = sizedShift(hi, lo);
  return {
    agent: tlp.requester,
    tag: tlp.tag,
    pasid: tlp.pasid,
    global: (lo & INVALIDATE_REQUEST.GLOBAL_INVALIDATE.mask) !== 0,
    hi: hi & ~belowHigh(shift),
    lo: lo & ~belowLow(shift),
    shift,
  };
}

export function invalidateCompletion(tlp: Tlp, agent: number, completion: InvalidationCompletion): Tlp {
  const count = completion.count & COUNT;
  return tlp.messageTo(agent, completion.requester, MessageCode.INVALIDATE_COMPLETION, count, completion.tags);
}

export function readInvalidateCompletion(tlp: Tlp): InvalidationCompletion {
  return { requester: tlp.requester, tags: tlp.addressLo, count: tlp.addressHi & COUNT };
}

export function pageRequest(tlp: Tlp, { requester, pasid, hi, lo, ...request }: PageRequest): Tlp {
  const { R, W, L, PRG_INDEX } = PAGE_REQUEST;
  const flags = (request.read ? R.mask : 0) | (request.write ? W.mask : 0) | (request.last ? L.mask : 0);
  const low = (lo & PAGE) | ((request.group << PRG_INDEX.shift) & PRG_INDEX.mask) | flags;
  tlp.message(requester, MessageCode.PAGE_REQUEST, [hi, low]);
  return pasid === NO_PASID ? tlp : tlp.withPasid(pasid, request.privileged, request.execute);
}

export function readPageRequest(tlp: Tlp): PageRequest {
  const { R, W, L, PRG_INDEX } = PAGE_REQUEST;
  const { addressHi: hi, addressLo: lo } = tlp;
  return {
    requester: tlp.requester,
    pasid: tlp.pasid,
    hi,
    lo: lo & PAGE,
    read: (lo & R.mask) !== 0,
    write: (lo & W.mask) !== 0,
    execute: tlp.execute,
    privileged: tlp.privileged,
    last: (lo & L.mask) !== 0,
    group: (lo & PRG_INDEX.mask) >>> PRG_INDEX.shift,
  };
}

/** Says that a function has stopped to use a PASID: no request of it for a page comes after this. */
export function stopMarker(tlp: Tlp, requester: number, pasid: number): Tlp {
  return tlp.message(requester, MessageCode.PAGE_REQUEST, [0, STOP_MARKER.L.mask]).withPasid(pasid, false, false);
}

/** A page request that is a stop marker. */
export function isStopMarker({ pasid, last, read, write }: PageRequest): boolean {
  return pasid !== NO_PASID && last && !read && !write;
}

export function pageGroupResponse(tlp: Tlp, agent: number, { requester, pasid, group, code }: PageGroupResponse): Tlp {
  const { PRG_INDEX, RESPONSE_CODE } = PRG_RESPONSE;
  const low = ((group << PRG_INDEX.shift) & PRG_INDEX.mask) | ((code << RESPONSE_CODE.shift) & RESPONSE_CODE.mask);
  tlp.messageTo(requester, agent, MessageCode.PAGE_REQUEST_GROUP_RESPONSE, low);
  return pasid === undefined ? tlp : tlp.withPasid(pasid, false, false);
}

export function readPageGroupResponse({ addressHi: hi, completer, pasid }: Tlp): PageGroupResponse {
  const { PRG_INDEX, RESPONSE_CODE } = PRG_RESPONSE;
  return {
    requester: completer,
    pasid: pasid === NO_PASID ? undefined : pasid,
    group: (hi & PRG_INDEX.mask) >>> PRG_INDEX.shift,
    code: (hi & RESPONSE_CODE.mask) >>> RESPONSE_CODE.shift,
  };
}
