/** TLPs and their bytes: what others published, whatever a TLP can say, and whatever bytes there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTlp, encodeTlp, headerBytes, MessageRouting, Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import published from '../vectors/pcie/tlps.json' with { type: 'json' };
import { fieldsOf, fromHex, toHex } from './tlp-fields.ts';

const KINDS = TlpKind as Readonly<Record<string, number>>;
const { comment: _, ...FIRST_BYTES } = published.firstBytes;
const FIRSTS = Object.values(FIRST_BYTES)
  .flat()
  .filter((byte) => byte !== null);
const TLPS: readonly Published[] = published.tlps;

interface Published {
  readonly what: string;
  readonly bytes: string;
  /** Bytes of data that its source does not show. */
  readonly data?: number;
  readonly kind: string;
  readonly says: Readonly<Record<string, number>>;
}

describe('TLPs that others published', () => {
  it.each(TLPS)('$what are read as their source reads them', ({ bytes, data = 0, kind, says }) => {
    const tlp = decodeTlp(Uint8Array.of(...fromHex(bytes), ...new Uint8Array(data)));
    expect(tlp).toMatchObject({ ...says, kind: KINDS[kind] });
  });

  it.each(TLPS)('$what are written as they stand there', ({ bytes, data = 0, kind, says }) => {
    const written = Object.assign(new Tlp(), { ...says, kind: KINDS[kind] });
    const whole = Uint8Array.of(...fromHex(bytes), ...new Uint8Array(data));
    const carried = ['MEMORY_WRITE', 'COMPLETION_DATA', 'COMPARE_AND_SWAP'].includes(kind) ? says['length']! : 0;
    if (carried > 0) written.data = whole.slice(whole.length - carried);
    expect(toHex(encodeTlp(written))).toBe(toHex(whole));
  });

  it.each(Object.entries(FIRST_BYTES))('%s begins with the published byte', (kind, [short, long]) => {
    if (short !== null) expect(toHex(encodeTlp(sample(KINDS[kind]!, 0))).slice(0, 2)).toBe(short);
    if (long !== null) expect(toHex(encodeTlp(sample(KINDS[kind]!, 1))).slice(0, 2)).toBe(long);
  });

  it('cover every kind of TLP', () => {
    expect(Object.keys(FIRST_BYTES)).toEqual(Object.keys(TlpKind));
  });
});

describe('Encoding', () => {
  it('and decoding give the same TLP, whatever it says', () => {
    fc.assert(
      fc.property(anyTlp, (tlp) => {
        const bytes = encodeTlp(tlp);
        expect(bytes).toHaveLength(headerBytes(tlp) + (tlp.data === null ? 0 : tlp.dataWords * 4));
        expect(fieldsOf(decodeTlp(bytes)!)).toEqual(fieldsOf(tlp));
      }),
      { numRuns: 1000 },
    );
  });

  it('gives bytes that mean nothing when one is missing or too many', () => {
    fc.assert(
      fc.property(anyTlp, fc.integer({ min: 1, max: 4 }), (tlp, n) => {
        const bytes = encodeTlp(tlp);
        expect(decodeTlp(bytes.subarray(0, bytes.length - n))).toBeUndefined();
        expect(decodeTlp(Uint8Array.of(...bytes, ...new Uint8Array(n)))).toBeUndefined();
      }),
    );
  });
});

describe('Decoding', () => {
  it('overlooks no bit of a header: one that is flipped is another TLP or none', () => {
    fc.assert(
      fc.property(anyTlp, fc.nat(), (tlp, at) => {
        const bytes = encodeTlp(tlp);
        const bit = at % (headerBytes(tlp) * 8);
        bytes[bit >>> 3]! ^= 1 << (bit & 7);
        const other = decodeTlp(bytes);
        if (other !== undefined) expect(fieldsOf(other)).not.toEqual(fieldsOf(tlp));
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws, and what it takes is written as it was read', () => {
    let taken = 0;
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const tlp = decodeTlp(bytes);
        if (tlp === undefined) return;
        taken++;
        const again = encodeTlp(tlp);
        expect(again).toHaveLength(bytes.length);
        expect(again.subarray(0, headerBytes(tlp))).toEqual(bytes.subarray(0, headerBytes(tlp)));
        expect(fieldsOf(decodeTlp(again)!)).toEqual(fieldsOf(tlp));
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

const half = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const id = fc.nat(0xffff);
const anyTlp = fc
  .record({
    kind: fc.constantFrom(...Object.values(TlpKind)),
    requester: id,
    tag: fc.nat(1023),
    attributes: fc.nat(7),
    trafficClass: fc.nat(7),
    pasid: fc.option(fc.record({ pasid: fc.nat(0xf_ffff), privileged: fc.boolean(), execute: fc.boolean() })),
    addressType: fc.nat(2),
    addressHi: fc.oneof(fc.constant(0), half),
    addressLo: half,
    length: fc.oneof(fc.nat(16), fc.nat(600)),
    completer: id,
    status: fc.constantFrom(0, 1, 2, 4),
    byteCount: fc.integer({ min: 1, max: 4096 }),
    messageCode: fc.nat(255),
    routing: fc.constantFrom(...Object.values(MessageRouting)),
    fill: fc.nat(255),
  })
  .map(({ fill, pasid, ...all }) => {
    const tlp = sample(all.kind, all.addressHi, all.addressLo, all.length);
    const { requester, tag, attributes, trafficClass, addressType, completer, status, byteCount, messageCode } = all;
    Object.assign(tlp, { requester, tag, attributes, trafficClass });
    if (pasid !== null) tlp.withPasid(pasid.pasid, pasid.privileged, pasid.execute);
    if (tlp.isMemoryRequest) tlp.addressType = addressType;
    if (tlp.isTranslationRequest) tlp.length = Math.max(tlp.length & ~3, 4);
    if (tlp.isConfigRequest) tlp.completer = completer;
    if (tlp.isMessage) {
      Object.assign(tlp, { messageCode, routing: all.routing });
      if (all.routing === MessageRouting.ID) tlp.completer = tlp.addressHi >>> 16;
    }
    if (tlp.kind === TlpKind.COMPLETION) Object.assign(tlp, { completer, status, byteCount });
    if (tlp.kind === TlpKind.COMPLETION_DATA) Object.assign(tlp, { completer, byteCount: tlp.length });
    tlp.data?.fill(fill, 0, tlp.length);
    return tlp;
  });

/** A TLP of this kind with as much of an address and a length as it can have. */
function sample(kind: number, hi: number, lo = 0x1000, length = 8): Tlp {
  const tlp = new Tlp();
  const byte = Math.min(length, 4 - (lo & 3));
  switch (kind) {
    case TlpKind.MEMORY_READ:
      return tlp.memoryRead(0, 0, hi, length === 0 ? lo & ~3 : lo, length);
    case TlpKind.MEMORY_WRITE:
      return tlp.memoryWrite(0, hi, length === 0 ? lo & ~3 : lo, length);
    case TlpKind.DEFERRABLE_WRITE:
      return tlp.deferrableWrite(0, 0, hi, length === 0 ? lo & ~3 : lo, length);
    case TlpKind.COMPLETION:
      tlp.answer(0, 0, 0, 0, 4).addressLo = lo & 0x7f;
      return tlp;
    case TlpKind.COMPLETION_DATA:
      return tlp.answer(0, 0, 0, 0, Math.max(length, 1)).withData(lo & 0x7f, Math.max(length, 1));
    case TlpKind.CONFIG_READ_0:
    case TlpKind.CONFIG_READ_1:
      tlp.configRead(0, 0, 0, byte === 0 ? lo & 0xffc : lo & 0xfff, byte).kind = kind;
      return tlp;
    case TlpKind.CONFIG_WRITE_0:
    case TlpKind.CONFIG_WRITE_1:
      tlp.configWrite(0, 0, 0, byte === 0 ? lo & 0xffc : lo & 0xfff, byte).kind = kind;
      return tlp;
    case TlpKind.MESSAGE:
      return tlp.message(0, 0, [hi, lo]);
    case TlpKind.MESSAGE_DATA:
      return tlp.message(0, 0, [hi, lo]).withMessageData(Math.max(length & ~3, 4));
    default:
      return tlp.atomic(kind, 0, 0, hi, lo & ~15, length % 2 === 0 ? 8 : kind === TlpKind.COMPARE_AND_SWAP ? 16 : 4);
  }
}

/** Bytes, bytes that begin like a TLP, and TLPs of which some bytes are others. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(fc.constantFrom(...FIRSTS), fc.uint8Array({ minLength: 11, maxLength: 40 }))
    .map(([first, rest]) => Uint8Array.of(Number.parseInt(first, 16), ...rest)),
  fc.tuple(anyTlp, fc.array(fc.tuple(fc.nat(23), fc.nat(255)), { minLength: 1, maxLength: 3 })).map(([tlp, others]) => {
    const bytes = encodeTlp(tlp);
    for (const [at, byte] of others) bytes[at % bytes.length] = byte;
    return bytes;
  }),
);
