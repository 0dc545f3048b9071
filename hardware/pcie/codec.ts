/**
 * TLPs as the bytes that travel: prefix, header, data. For captures, tests and foreign hosts; models exchange `Tlp`.
 *
 * Without sequence number and LCRC. `decodeTlp` takes what `encodeTlp` can give, but for the bytes that no byte enable
 * names, which are anything on the wire and 0 here. So it refuses a TLP whose header says what no `Tlp` says: byte enables
 * with gaps, processing hints, a digest, poisoned data, reserved bits.
 */
import { encode, type Words } from '../bits/index.ts';
import { hasLongHeader, headerBytes } from './sizes.ts';
import {
  COMPLETION,
  CONFIG_REQUEST,
  Format,
  MEMORY_REQUEST_3DW,
  MEMORY_REQUEST_4DW,
  MESSAGE,
  MessageRouting,
  PASID_PREFIX,
  TLP_HEADER,
  TypeCode,
} from './spec/index.ts';
import { NO_PASID, Tlp, TlpKind } from './tlp.ts';

const PREFIX_PASID = (Format.PREFIX << 5) | TypeCode.PREFIX_PASID;
const ROUTING = 7;

/** TYPE of each kind; of a message with routing 0. */
const TYPES: readonly number[] = Object.values({
  [TlpKind.MEMORY_READ]: TypeCode.MEMORY,
  [TlpKind.MEMORY_WRITE]: TypeCode.MEMORY,
  [TlpKind.FETCH_ADD]: TypeCode.FETCH_ADD,
  [TlpKind.SWAP]: TypeCode.SWAP,
  [TlpKind.COMPARE_AND_SWAP]: TypeCode.COMPARE_AND_SWAP,
  [TlpKind.DEFERRABLE_WRITE]: TypeCode.DEFERRABLE_WRITE,
  [TlpKind.COMPLETION]: TypeCode.COMPLETION,
  [TlpKind.COMPLETION_DATA]: TypeCode.COMPLETION,
  [TlpKind.CONFIG_READ_0]: TypeCode.CONFIG_0,
  [TlpKind.CONFIG_WRITE_0]: TypeCode.CONFIG_0,
  [TlpKind.CONFIG_READ_1]: TypeCode.CONFIG_1,
  [TlpKind.CONFIG_WRITE_1]: TypeCode.CONFIG_1,
  [TlpKind.MESSAGE]: TypeCode.MESSAGE,
  [TlpKind.MESSAGE_DATA]: TypeCode.MESSAGE,
});

/** Kinds without data; of two with the same TYPE the other one carries some. */
const DATALESS: readonly number[] = [
  TlpKind.MEMORY_READ,
  TlpKind.COMPLETION,
  TlpKind.CONFIG_READ_0,
  TlpKind.CONFIG_READ_1,
  TlpKind.MESSAGE,
];

/** The TLP on the wire: the most significant byte of each header word first, data bytes in ascending address order. */
export function encodeTlp(tlp: Tlp): Uint8Array {
  const head = headOf(tlp);
  const bytes = new Uint8Array(head.length * 4 + (tlp.data === null ? 0 : tlp.dataWords * 4));
  const view = new DataView(bytes.buffer);
  head.forEach((word, i) => {
    view.setUint32(i * 4, word);
  });
  if (tlp.data !== null) bytes.set(tlp.data.subarray(0, tlp.length), headerBytes(tlp) + tlp.dataOffset);
  return bytes;
}

/** The words of a TLP's header, as they are logged. */
export function headerWords(tlp: Tlp): Uint32Array {
  return headerOf(tlp);
}

/** The TLP of these bytes, written into `into`; `undefined` for what the models have no TLP for. */
export function decodeTlp(bytes: Uint8Array, into = new Tlp()): Tlp | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = new Uint32Array(bytes.length >>> 2).map((_, i) => view.getUint32(i * 4));
  const at = words.length > 0 && words[0]! >>> 24 === PREFIX_PASID ? 1 : 0;
  if (words.length < at + 3) return undefined;
  const format = TLP_HEADER.FMT.get(words, at);
  const withData = (format & Format.DW3_DATA) !== 0;
  const start = (at + ((format & Format.DW4) !== 0 ? 4 : 3)) * 4;
  const count = TLP_HEADER.LENGTH.get(words, at) || 1024;
  if (bytes.length !== start + (withData ? count * 4 : 0)) return undefined;

  const tlp = bodyOf(kindOf(TLP_HEADER.TYPE.get(words, at), withData), words, at, count, into);
  if (tlp === undefined) return undefined;
  tlp.attributes =
    (TLP_HEADER.IDO.get(words, at) << 2) | (TLP_HEADER.RO.get(words, at) << 1) | TLP_HEADER.NS.get(words, at);
  tlp.trafficClass = TLP_HEADER.TC.get(words, at);
  tlp.tag |= (TLP_HEADER.T9.get(words, at) << 9) | (TLP_HEADER.T8.get(words, at) << 8);
  if (at === 1) {
    const { PASID, PRIVILEGED, EXECUTE } = PASID_PREFIX;
    tlp.withPasid(PASID.get(words), PRIVILEGED.isSet(words), EXECUTE.isSet(words));
  }
  if (!headOf(tlp).every((word, i) => word === words[i])) return undefined;
  if (tlp.data !== null) {
    const from = start + tlp.dataOffset;
    tlp.data.set(bytes.subarray(from, from + tlp.length));
  }
  return tlp;
}

/** Prefix and header as words. */
function headOf(tlp: Tlp): Uint32Array {
  const header = headerOf(tlp);
  if (tlp.pasid === NO_PASID) return header;
  const prefix = encode(PASID_PREFIX, {
    FMT: Format.PREFIX,
    TYPE: TypeCode.PREFIX_PASID,
    PRIVILEGED: tlp.privileged ? 1 : 0,
    EXECUTE: tlp.execute ? 1 : 0,
    PASID: tlp.pasid,
  });
  return Uint32Array.of(...prefix, ...header);
}

function headerOf(tlp: Tlp): Uint32Array {
  const carries = tlp.data !== null;
  const hasLength = tlp.kind !== TlpKind.COMPLETION && tlp.kind !== TlpKind.MESSAGE;
  const common = {
    FMT: (carries ? Format.DW3_DATA : Format.DW3) | (hasLongHeader(tlp) ? Format.DW4 : Format.DW3),
    TYPE: TYPES[tlp.kind]! | (tlp.isMessage ? tlp.routing : 0),
    T9: tlp.tag >>> 9,
    TC: tlp.trafficClass,
    T8: tlp.tag >>> 8,
    IDO: tlp.attributes >>> 2,
    RO: tlp.attributes >>> 1,
    NS: tlp.attributes,
    LENGTH: hasLength ? tlp.dataWords : 0,
    REQUESTER_ID: tlp.requester,
    TAG: tlp.tag,
  };
  const low = tlp.addressLo >>> 0;
  if (tlp.isMessage) {
    const words = { WORD_2: tlp.addressHi >>> 0, WORD_3: low };
    return encode(MESSAGE, { ...common, MESSAGE_CODE: tlp.messageCode, ...words });
  }
  if (tlp.kind === TlpKind.COMPLETION || tlp.kind === TlpKind.COMPLETION_DATA) {
    return encode(COMPLETION, {
      ...common,
      COMPLETER_ID: tlp.completer,
      STATUS: tlp.status,
      BYTE_COUNT: tlp.byteCount,
      LOWER_ADDRESS: low,
    });
  }
  const request = { ...common, ...byteEnables(tlp) };
  if (tlp.isConfigRequest) {
    const register = { EXTENDED_REGISTER: low >>> 8, REGISTER: low >>> 2 };
    return encode(CONFIG_REQUEST, { ...request, TARGET_ID: tlp.completer, ...register });
  }
  // No Write stands where the processing hint of other requests does.
  const address = { AT: tlp.addressType, ADDRESS: low >>> 2, PH: tlp.isTranslationRequest ? low : 0 };
  return hasLongHeader(tlp)
    ? encode(MEMORY_REQUEST_4DW, { ...request, ...address, ADDRESS_HIGH: tlp.addressHi >>> 0 })
    : encode(MEMORY_REQUEST_3DW, { ...request, ...address });
}

/** Which bytes of the first and last word a request means; an AtomicOp means all of its operands and says 0. */
function byteEnables(tlp: Tlp): { FIRST_BE: number; LAST_BE: number } {
  if (tlp.length === 0 || tlp.isAtomic) return { FIRST_BE: 0, LAST_BE: 0 };
  const { dataOffset } = tlp;
  const first = (15 << dataOffset) & 15;
  const last = 15 >> (3 - ((dataOffset + tlp.length - 1) & 3));
  return tlp.dataWords === 1 ? { FIRST_BE: first & last, LAST_BE: 0 } : { FIRST_BE: first, LAST_BE: last };
}

/** Offset of the first byte and number of bytes under these byte enables; with gaps, of some that have none. */
function enabledBytes(first: number, last: number, count: number): { offset: number; length: number } {
  if (first === 0) return { offset: 0, length: 0 };
  const offset = 31 - Math.clz32(first & -first);
  const end = count === 1 ? 32 - Math.clz32(first) : count * 4 - Math.clz32(last) + 28;
  return { offset, length: end - offset };
}

function kindOf(type: number, withData: boolean): number {
  const plain = (type & ~ROUTING) === TypeCode.MESSAGE ? TypeCode.MESSAGE : type;
  return TYPES.findIndex((one, kind) => one === plain && !DATALESS.includes(kind) === withData);
}

/** Fills in what the kind has of its own. Whatever it cannot hold comes out differently, and is found by that. */
function bodyOf(kind: number, words: Words, at: number, count: number, into: Tlp): Tlp | undefined {
  if (kind < 0) return undefined;
  if (kind <= TlpKind.DEFERRABLE_WRITE) return memoryRequest(kind, words, at, count, into);
  if (kind <= TlpKind.COMPLETION_DATA) return completion(kind, words, at, count, into);
  if (kind <= TlpKind.CONFIG_WRITE_1) return configRequest(kind, words, at, into);
  return message(kind, words, at, count, into);
}

function memoryRequest(kind: number, words: Words, at: number, count: number, into: Tlp): Tlp | undefined {
  const wide = (TLP_HEADER.FMT.get(words, at) & Format.DW4) !== 0;
  const of = wide ? MEMORY_REQUEST_4DW : MEMORY_REQUEST_3DW;
  const requester = of.REQUESTER_ID.get(words, at);
  const tag = of.TAG.get(words, at);
  const hi = wide ? MEMORY_REQUEST_4DW.ADDRESS_HIGH.get(words, at) : 0;
  const word = of.ADDRESS.get(words, at) * 4;
  const { offset, length } = enabledBytes(of.FIRST_BE.get(words, at), of.LAST_BE.get(words, at), count);
  const lo = word + offset;
  if (kind === TlpKind.MEMORY_READ) into.memoryRead(requester, tag, hi, lo, length);
  else if (kind === TlpKind.MEMORY_WRITE) into.memoryWrite(requester, hi, lo, length);
  else if (kind === TlpKind.DEFERRABLE_WRITE) into.deferrableWrite(requester, tag, hi, lo, length);
  else into.atomic(kind, requester, tag, hi, word, count * 4);
  into.tag = tag;
  into.addressType = of.AT.get(words, at);
  if (into.isTranslationRequest) into.addressLo = word | of.PH.get(words, at);
  return into.isAtomic && !isOperands(into) ? undefined : into;
}

/** Operands are 4 or 8 bytes, of a compare-and-swap two of 4, 8 or 16, at an address that is a multiple of their size. */
function isOperands({ kind, length, addressLo }: Tlp): boolean {
  const size = kind === TlpKind.COMPARE_AND_SWAP ? length / 2 : length;
  const fits = size === 4 || size === 8 || (size === 16 && kind === TlpKind.COMPARE_AND_SWAP);
  return fits && (addressLo & (size - 1)) === 0;
}

function configRequest(kind: number, words: Words, at: number, into: Tlp): Tlp {
  const of = CONFIG_REQUEST;
  const { offset, length } = enabledBytes(of.FIRST_BE.get(words, at), of.LAST_BE.get(words, at), 1);
  const register = of.EXTENDED_REGISTER.get(words, at) * 256 + of.REGISTER.get(words, at) * 4 + offset;
  const requester = of.REQUESTER_ID.get(words, at);
  const tag = of.TAG.get(words, at);
  const target = of.TARGET_ID.get(words, at);
  if (DATALESS.includes(kind)) into.configRead(requester, tag, target, register, length);
  else into.configWrite(requester, tag, target, register, length);
  into.kind = kind;
  return into;
}

function completion(kind: number, words: Words, at: number, count: number, into: Tlp): Tlp {
  const of = COMPLETION;
  const lower = of.LOWER_ADDRESS.get(words, at);
  const byteCount = of.BYTE_COUNT.get(words, at) || 4096;
  const completer = of.COMPLETER_ID.get(words, at);
  const status = of.STATUS.get(words, at);
  into.answer(of.REQUESTER_ID.get(words, at), of.TAG.get(words, at), completer, status, byteCount);
  if (kind === TlpKind.COMPLETION_DATA) return into.withData(lower, Math.min(byteCount, count * 4 - (lower & 3)));
  into.addressLo = lower;
  return into;
}

function message(kind: number, words: Words, at: number, count: number, into: Tlp): Tlp | undefined {
  const of = MESSAGE;
  const routing = of.TYPE.get(words, at) & ROUTING;
  if (routing > MessageRouting.GATHER) return undefined;
  const third = of.WORD_2.get(words, at);
  into.message(of.REQUESTER_ID.get(words, at), of.MESSAGE_CODE.get(words, at), [third, of.WORD_3.get(words, at)]);
  into.tag = of.TAG.get(words, at);
  into.routing = routing;
  if (routing === MessageRouting.ID) into.completer = third >>> 16;
  return kind === TlpKind.MESSAGE_DATA ? into.withMessageData(count * 4) : into;
}
