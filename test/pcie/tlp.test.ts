import { describe, expect, it } from 'vitest';
import {
  AddressType,
  CompletionStatus,
  decodeTlp,
  encodeTlp,
  formatRequester,
  MessageCode,
  pieceLength,
  requesterId,
  Tlp,
  TlpKind,
  TlpPool,
  wireBytes,
} from '../../hardware/pcie/index.ts';
import { fieldsOf, fromHex, toHex } from './tlp-fields.ts';

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

/** Every field of the first word that a read can have: tag 3a5h, traffic class 5, all attributes. */
function qualified(): Tlp {
  const tlp = read(0, 0x1000, 64);
  tlp.tag = 0x3a5;
  tlp.trafficClass = 5;
  tlp.attributes = 7;
  return tlp;
}

function translationRequest(hi: number, lo: number, translations: number): Tlp {
  const tlp = read(hi, lo, translations * 8);
  tlp.addressType = AddressType.TRANSLATION;
  return tlp;
}

function withTag(tlp: Tlp, tag: number): Tlp {
  tlp.tag = tag;
  return tlp;
}

const DEVICE = 0x0100;
const AGENT = 0x0000;
const ENTRY = Array.from({ length: 64 }, (_, i) => i);

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
  [
    'a configuration read of type 1',
    ofKind(TlpKind.CONFIG_READ_1, new Tlp().configRead(0, 3, 0x0208, 0x104, 4)),
    '05000001 0000030f 02080104',
  ],
  [
    'a configuration write of type 1',
    withBytes(ofKind(TlpKind.CONFIG_WRITE_1, new Tlp().configWrite(0, 3, 0x0208, 0x06, 2)), 0x00, 0x20),
    '45000001 0000030c 02080004 00000020',
  ],
  ['a read with a tag of 10 bits, a traffic class and all attributes', qualified(), '00dc3010 0008a5ff 00001000'],
  [
    'its completion by who may order completions by id, which has them too',
    new Tlp().completion(qualified(), 0, CompletionStatus.UNSUPPORTED_REQUEST, true),
    '0adc3000 00002040 0008a500',
  ],
  [
    'its completion by who may not',
    new Tlp().completion(qualified(), 0, CompletionStatus.UNSUPPORTED_REQUEST),
    '0ad83000 00002040 0008a500',
  ],
  [
    'a request for two translations without write access, under a PASID',
    translationRequest(0, 0x2001, 2).withPasid(7, false, false),
    '91000007 00000404 000805ff 00002001',
  ],
  [
    'a request for one translation above 4 GiB',
    translationRequest(0x12, 0x3000, 1),
    '20000402 000805ff 00000012 00003000',
  ],
  [
    'the completion of a request for one translation',
    withBytes(new Tlp().completionData(translationRequest(0, 0x2001, 1), 0, 0, 8), 0, 0, 0, 0x12, 0x34, 0x50, 0, 3),
    '4a000002 00000008 00080500 0000001234500003',
  ],
  [
    'a FetchAdd of 8 bytes',
    withBytes(new Tlp().atomic(TlpKind.FETCH_ADD, RID, 5, 0, 0x1008, 8), 1, 0, 0, 0, 0, 0, 0, 0),
    '4c000002 00080500 00001008 0100000000000000',
  ],
  [
    'a Swap of 4 bytes above 4 GiB',
    withBytes(new Tlp().atomic(TlpKind.SWAP, RID, 5, 1, 0x1004, 4), 0xde, 0xad, 0xbe, 0xef),
    '6d000001 00080500 00000001 00001004 deadbeef',
  ],
  [
    'a CAS of 4 bytes: what to compare, then what to write',
    withBytes(new Tlp().atomic(TlpKind.COMPARE_AND_SWAP, RID, 5, 0, 0x1000, 8), 0x11, 0x11, 0x22, 0x22, 3, 3, 4, 4),
    '4e000002 00080500 00001000 1111222203030404',
  ],
  [
    'the completion of that CAS, one operand',
    withBytes(
      new Tlp().completionData(new Tlp().atomic(TlpKind.COMPARE_AND_SWAP, RID, 5, 0, 0x1000, 8), DEVICE, 0, 4),
      ...[0x11, 0x11, 0x22, 0x22],
    ),
    '4a000001 01000004 00080500 11112222',
  ],
  [
    'a deferrable write of 64 bytes under a PASID',
    withBytes(new Tlp().deferrableWrite(RID, 5, 0, 0x1000, 64).withPasid(9, false, false), ...ENTRY),
    `91000009 5b000010 000805ff 00001000 ${Buffer.from(ENTRY).toString('hex')}`,
  ],
  [
    'the retry of a deferrable write',
    new Tlp().completion(new Tlp().deferrableWrite(RID, 5, 0, 0x1000, 64), DEVICE, CompletionStatus.REQUEST_RETRY),
    '0a000000 01004004 00080500',
  ],
  ['ERR_NONFATAL', new Tlp().message(DEVICE, MessageCode.ERR_NONFATAL), '30000000 01000031 00000000 00000000'],
  [
    'an Invalidate Request with ITag 3 for a page, under PASID 5 and global',
    withTag(
      withBytes(
        new Tlp()
          .messageTo(DEVICE, AGENT, MessageCode.INVALIDATE_REQUEST)
          .withMessageData(8)
          .withPasid(5, false, false),
        ...[0, 0, 0, 0, 0x12, 0x34, 0x50, 0x01],
      ),
      3,
    ),
    '91000005 72000002 00000301 01000000 00000000 0000000012345001',
  ],
  [
    'an Invalidate Completion, the only one, for ITag 3',
    new Tlp().messageTo(AGENT, DEVICE, MessageCode.INVALIDATE_COMPLETION, 1, 1 << 3),
    '32000000 01000002 00000001 00000008',
  ],
  [
    'a Page Request, the last of group 1A5h, for reading and writing, in privileged mode and to execute',
    new Tlp().message(DEVICE, MessageCode.PAGE_REQUEST, [1, 0x2345_6d2f]).withPasid(7, true, true),
    '91300007 30000000 01000004 00000001 23456d2f',
  ],
  [
    'a Stop Marker',
    new Tlp().message(DEVICE, MessageCode.PAGE_REQUEST, [0, 4]).withPasid(7, false, false),
    '91000007 30000000 01000004 00000000 00000004',
  ],
  [
    'a PRG Response: group 1A5h was an invalid request',
    new Tlp().messageTo(DEVICE, AGENT, MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 0x11a5),
    '32000000 00000005 010011a5 00000000',
  ],
];

function ofKind(kind: number, tlp: Tlp): Tlp {
  tlp.kind = kind;
  return tlp;
}

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
    ['02000001 0008000f 00001000', 'an I/O read, which is not modelled'],
    ['36000000 00080050 00000000 00000000', 'a message with a reserved routing'],
    ['1b000001 0008000f 00001000', 'a deferrable write without data'],
    ['4c000003 00080500 00001000 000000000000000000000000', 'an AtomicOp with 12 bytes of operands'],
    ['4c000002 00080500 00001004 0000000000000000', 'an AtomicOp at an address that is no multiple of its size'],
    ['20000001 0008050f 00000000 00001000', 'four words of header for an address below 4 GiB'],
    ['00004001 0008050f 00001000', 'poisoned'],
    ['00008001 0008050f 00001000 00000000', 'with a digest'],
    ['00010001 0008050f 00001002', 'with a processing hint'],
    ['00020001 0008050f 00001000', 'with a lightweight notification'],
    ['04000401 0000030f 00080104', 'a configuration read with an address type'],
    ['0a000001 00002040 00080500', 'a completion without data that has a length'],
    ['4a000002 00000004 00080500 0102030405060708', 'a completion with more data than its byte count'],
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
