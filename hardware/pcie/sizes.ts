/** How many bytes a TLP has on a link, and into how many a transfer is cut. */
import { FRAMING_BYTES, PAYLOAD_SIZES } from './spec/index.ts';
import { NO_PASID, type Tlp } from './tlp.ts';

/**
 * Bytes of the first request for `left` bytes from `addressLo` on. `limit`, a power of two up to 4096, is the largest
 * payload or read request; the pieces end on its multiples, so none crosses a 4 KiB boundary.
 */
export function pieceLength(addressLo: number, left: number, limit: number): number {
  return Math.min(left, limit - (addressLo & (limit - 1)));
}

/** The least that Max_Payload_Size can say. */
const LEAST_PAYLOAD_WORDS = PAYLOAD_SIZES[0] / 4;

/** True when a TLP carries more words than Max_Payload_Size allows its receiver to take (PCIe 2.2.2). */
export function isOversize(tlp: Tlp, receiver: { readonly maxPayload: number }): boolean {
  if (tlp.data === null) return false;
  const { dataWords } = tlp;
  return dataWords > LEAST_PAYLOAD_WORDS && dataWords * 4 > receiver.maxPayload;
}

/** True when the header has four words: messages, and addresses above 4 GiB. */
export function hasLongHeader(tlp: Tlp): boolean {
  return tlp.isMessage || (tlp.addressHi !== 0 && tlp.isMemoryRequest);
}

/** Bytes of header and PASID prefix. */
export function headerBytes(tlp: Tlp): number {
  return (hasLongHeader(tlp) ? 16 : 12) + (tlp.pasid === NO_PASID ? 0 : 4);
}

/** Bytes that a TLP occupies on a link. */
export function wireBytes(tlp: Tlp): number {
  return FRAMING_BYTES + headerBytes(tlp) + (tlp.data === null ? 0 : tlp.dataWords * 4);
}

/** The same of who counts data by the byte, although words travel. */
export function unpaddedBytes(tlp: Tlp): number {
  return FRAMING_BYTES + headerBytes(tlp) + (tlp.data === null ? 0 : tlp.length);
}
