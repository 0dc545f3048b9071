/** TLPs for comparison, and their bytes in hexadecimal. */
import { type Tlp, TlpKind } from '../../hardware/pcie/index.ts';

/** All that a TLP says. */
export function fieldsOf(tlp: Tlp): Record<string, unknown> {
  const { kind, requester, tag, attributes, trafficClass, pasid, privileged, execute, addressType } = tlp;
  const { addressHi, addressLo, length, status, completer, byteCount, messageCode, routing } = tlp;
  const data = tlp.data === null ? null : [...tlp.data.subarray(0, tlp.length)];
  const asked = kind === TlpKind.COMPLETION ? 0 : length;
  const head = { kind, requester, tag, attributes, trafficClass, pasid, privileged, execute, addressType };
  return { ...head, addressHi, addressLo, asked, status, completer, byteCount, messageCode, routing, data };
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Spaces are for the reader. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}
