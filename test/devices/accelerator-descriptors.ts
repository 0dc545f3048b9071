/** Descriptors and completion records as bytes, by the data sheet and not by the declarations under test. */

export interface Completion {
  readonly status: number;
  readonly result: number;
  readonly completed: number;
  readonly faultAddress: bigint;
  readonly extra: number;
}

/** What stands in a completion record. */
export function completionOf(bytes: Uint8Array): Completion {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    status: bytes[0]!,
    result: bytes[1]!,
    completed: view.getUint32(4, true),
    faultAddress: view.getBigUint64(8, true),
    extra: view.getUint32(16, true),
  };
}

export const RECORD = 0x8000;
export const FENCE = 1;
export const BOF = 2;
export const CRAV = 4;
export const RCR = 8;
export const RCI = 16;

/** What a descriptor says; bytes that are not named are 0. */
export interface Said {
  readonly pasid?: number;
  readonly priv?: boolean;
  readonly flags?: number;
  readonly opcode?: number;
  readonly completion?: number | bigint;
  readonly a?: number | bigint;
  readonly b?: number | bigint;
  readonly size?: number;
  readonly handle?: number;
  /** 64-bit words from byte 40 on. */
  readonly more?: readonly (number | bigint)[];
}

export function descriptor(said: Said = {}): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ((said.pasid ?? 0) | (said.priv ? 0x8000_0000 : 0)) >>> 0, true);
  view.setUint32(4, ((said.flags ?? 0) | ((said.opcode ?? 0) << 24)) >>> 0, true);
  view.setBigUint64(8, BigInt(said.completion ?? 0), true);
  view.setBigUint64(16, BigInt(said.a ?? 0), true);
  view.setBigUint64(24, BigInt(said.b ?? 0), true);
  view.setUint32(32, said.size ?? 0, true);
  view.setUint16(36, said.handle ?? 0, true);
  (said.more ?? []).forEach((word, i) => {
    view.setBigUint64(40 + i * 8, BigInt(word), true);
  });
  return bytes;
}

/** Bytes that differ from their neighbours and from 0. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i * 7 + (i >> 8) * 13 + seed * 31) % 255) + 1);
}
