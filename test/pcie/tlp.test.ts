import { describe, expect, it } from 'vitest';
import {
  AddressType,
  CompletionStatus,
  decodeTlp,
  encodeTlp,
  formatRequester,
  pieceLength,
  requesterId,
  Tlp,
  TlpKind,
  TlpPool,
  wireBytes,
} from '../../hardware/pcie/index.ts';

const RID = 0x0008;

function withBytes(tlp: Tlp, ...bytes: number[]): Tlp {
  tlp.data!.set(bytes);
  return tlp;
}

function read(hi: number, lo: number, length: number): Tlp {
  return new Tlp().memoryRead(RID, 5, hi, lo, length);
}

function translated(tlp: Tlp): Tlp {
  tlp.addressType = AddressType.TRANSLATED;
  return tlp;
}

const request = read(0, 0x1234_5678, 64);

/** Bytes written by hand from the header tables of the specification. */
const VECTORS: readonly (readonly [string, Tlp, string])[] = [
  ['a read of 64 bytes below 4 GiB', request, '00000010 000805ff 12345678'],
  ['a read of 64 bytes above 4 GiB', read(0x12, 0x8000_0000, 64), '20000010 000805ff 00000012 80000000'],
  ['a read of 4096 bytes, whose length is written 0', read(0, 0x1000, 4096), '00000000 000805ff 00001000'],
  ['a read of 6 bytes from byte 3 of a word on', read(0, 0x1003, 6), '00000003 00080518 00001000'],
  ['a zero-length read', read(0, 0x1000, 0), '00000001 00080500 00001000'],
  ['a translated read', translated(read(0, 0x1000, 4)), '00000801 0008050f 00001000'],
  [
    'a write of one word above 4 GiB',
    withBytes(new Tlp().memoryWrite(RID, 1, 0x1000, 4), 0xde, 0xad, 0xbe, 0xef),
    '60000001 0008000f 00000001 00001000 deadbeef',
  ],
  [
    'a write of two bytes within a word',
    withBytes(new Tlp().memoryWrite(RID, 0, 0x1001, 2), 0xaa, 0xbb),
    '40000001 00080006 00001000 00aabb00',
  ],
  [
    'a write under a privileged PASID',
    withBytes(new Tlp().memoryWrite(RID, 0, 0x2000, 4).withPasid(0x1_2345, true, false), 1, 2, 3, 4),
    '91212345 40000001 0008000f 00002000 01020304',
  ],
  [
    'a read that asks to execute under a PASID',
    read(0, 0x2000, 4).withPasid(7, false, true),
    '91100007 00000001 0008050f 00002000',
  ],
  [
    'a completion with UR',
    new Tlp().completion(request, 0, CompletionStatus.UNSUPPORTED_REQUEST),
    '0a000000 00002040 00080500',
  ],
  [
    'a completion with CA',
    new Tlp().completion(request, 0x0100, CompletionStatus.COMPLETER_ABORT),
    '0a000000 01008040 00080500',
  ],
  [
    'the last 8 bytes of a completion',
    withBytes(new Tlp().completionData(request, 0, 56, 8), 1, 2, 3, 4, 5, 6, 7, 8),
    '4a000002 00000008 00080530 0102030405060708',
  ],
  ['a configuration read at 0x104', new Tlp().configRead(0, 3, RID, 0x104, 4), '04000001 0000030f 00080104'],
  [
    'a configuration write of the Status half of a word',
    withBytes(new Tlp().configWrite(0, 3, RID, 0x06, 2), 0x00, 0x20),
    '44000001 0000030c 00080004 00000020',
  ],
];

describe('TLP headers', () => {
  it.each(VECTORS)('%s is encoded bit for bit', (_, tlp, expected) => {
    expect(toHex(encodeTlp(tlp))).toBe(expected.replaceAll(' ', ''));
  });

  it.each(VECTORS)('%s is decoded to the same TLP, whatever the object held before', (_, tlp, bytes) => {
    const dirty = new Tlp().memoryWrite(0xa5a5, 0xa5a5_a5a5, 0xa5a5_a5a5, 64).withPasid(0xa_5a5a, true, true);
    dirty.data!.fill(0xa5);
    expect(fieldsOf(decodeTlp(fromHex(bytes), dirty)!)).toEqual(fieldsOf(tlp));
  });

  it('are refused by the decoder where a write has gaps in its byte enables', () => {
    expect(decodeTlp(fromHex('40000001 00080005 00001000 00aabb00'))).toBeUndefined();
  });

  it.each([
    ['', 'nothing'],
    ['00000010 000805ff', 'a header cut short'],
    ['40000002 000800ff 00001000 00000000', 'data cut short'],
    ['91000001', 'a prefix alone'],
    ['34000000 00080050 00000000 00000000', 'a message, which is not modelled'],
  ])('are refused by the decoder: %s (%s)', (bytes) => {
    expect(decodeTlp(fromHex(bytes))).toBeUndefined();
  });

  it('occupy the published number of bytes on a link', () => {
    const low = new Tlp().memoryWrite(RID, 0, 0x1000, 64);
    const high = new Tlp().memoryWrite(RID, 1, 0x1000, 64);
    expect(wireBytes(low)).toBe(20 + 64);
    expect(wireBytes(high)).toBe(24 + 64);
    expect(wireBytes(high.withPasid(1, false, false))).toBe(28 + 64);
    expect(wireBytes(read(0, 0x1000, 64))).toBe(20);
    expect(wireBytes(read(1, 0x1000, 64))).toBe(24);
    expect(wireBytes(new Tlp().completionData(request, 0, 0, 64))).toBe(20 + 64);
    expect(wireBytes(new Tlp().completion(request, 0, 0))).toBe(20);
  });
});

describe('A requester id', () => {
  it('is bus, device and function', () => {
    expect(requesterId(0x12, 0x1f, 7)).toBe(0x12ff);
    expect(formatRequester(0x12ff)).toBe('12:1f.7');
  });
});

describe('A transfer in pieces', () => {
  it('ends its pieces on multiples of the limit, so that none crosses 4 KiB', () => {
    const pieces: number[] = [];
    for (let at = 0xfc8, left = 600; left > 0; ) {
      const piece = pieceLength(at, left, 256);
      pieces.push(piece);
      at += piece;
      left -= piece;
    }
    expect(pieces).toEqual([0x38, 256, 256, 32]);
  });
});

describe('A pool of TLPs', () => {
  it('hands out again what came back, and refuses the same TLP twice', () => {
    const pool = new TlpPool();
    const tlp = pool.take();
    pool.give(tlp);
    expect(() => pool.give(tlp)).toThrow('given back twice');
    expect(pool.take()).toBe(tlp);
    expect(pool.taken).toBe(1);
  });
});

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function fieldsOf(tlp: Tlp): Record<string, unknown> {
  const { kind, requester, tag, attributes, pasid, privileged, execute, addressType, addressHi, addressLo } = tlp;
  const { length, status, completer, byteCount } = tlp;
  const data = tlp.data === null ? null : [...tlp.data.subarray(0, tlp.length)];
  const asked = kind === TlpKind.COMPLETION ? 0 : length;
  const head = { kind, requester, tag, attributes, pasid, privileged, execute, addressType, addressHi, addressLo };
  return { ...head, asked, status, completer, byteCount, data };
}
