/** Which TLPs the root complex takes from devices at all. */
import { PAGE_SIZE } from '../bits/index.ts';
import { AddressType, MessageCode } from './spec/index.ts';
import { type Tlp, TlpKind } from './tlp.ts';

/** Bytes of an AtomicOp's operands. */
const OPERANDS = new Set([4, 8, 16]);

/** A memory request that crosses no 4 KiB boundary, an AtomicOp whose operands are aligned, or something else. */
export function isWellFormed(tlp: Tlp): boolean {
  if (!tlp.isMemoryRequest) return true;
  const { addressLo, length } = tlp;
  if (tlp.isAtomic) {
    const width = tlp.kind === TlpKind.COMPARE_AND_SWAP ? length / 2 : length;
    return OPERANDS.has(width) && addressLo % width === 0 && (width < 16 || tlp.kind === TlpKind.COMPARE_AND_SWAP);
  }
  return (addressLo & (PAGE_SIZE - 1)) + length <= PAGE_SIZE;
}

/** Reads, writes and AtomicOps are untranslated or translated; only reads can also be translation requests. */
export function hasAddress({ isTranslationRequest, addressType }: Tlp): boolean {
  return isTranslationRequest || addressType === AddressType.UNTRANSLATED || addressType === AddressType.TRANSLATED;
}

/** What only a translation agent says to devices: from a device it is a lie, and goes on to nobody. */
export function isOfAgents({ messageCode }: Tlp): boolean {
  return messageCode === MessageCode.INVALIDATE_REQUEST || messageCode === MessageCode.PAGE_REQUEST_GROUP_RESPONSE;
}
