/**
 * TLPs as the bytes that travel: prefix, header, data. For captures, tests and foreign hosts; models exchange `Tlp`.
 *
 * Without sequence number and LCRC. A TLP whose byte enables have gaps has no `Tlp`: `decodeTlp` refuses it.
 */
import { encode, type Words } from '../bits/index.ts';
import { headerBytes } from './sizes.ts';
import {
  COMPLETION,
  CONFIG_REQUEST,
  Format,
  MEMORY_REQUEST_3DW,
  MEMORY_REQUEST_4DW,
  PASID_PREFIX,
  TLP_HEADER,
  TypeCode,
} from './spec/index.ts';
import { NO_PASID, Tlp, TlpKind } from './tlp.ts';

/** The TLP on the wire: the most significant byte of each header word first, data bytes in ascending address order. */
export function encodeTlp(tlp: Tlp): Uint8Array {
  const prefix = tlp.pasid === NO_PASID ? [] : [...encode(PASID_PREFIX, prefixOf(tlp))];
  const head = [...prefix, ...headerOf(tlp)];
  const bytes = new Uint8Array(head.length * 4 + (tlp.data === null ? 0 : tlp.dataWords * 4));
  const view = new DataView(bytes.buffer);
  head.forEach((word, i) => {
    view.setUint32(i * 4, word);
  });
  if (tlp.data !== null) bytes.set(tlp.data.subarray(0, tlp.length), headerBytes(tlp) + (tlp.addressLo & 3));
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
  const prefixed = words.length > 0 && words[0]! >>> 24 === ((Format.PREFIX << 5) | TypeCode.PREFIX_PASID);
  const at = prefixed ? 1 : 0;
  if (words.length < at + 3) return undefined;
  const format = TLP_HEADER.FMT.get(words, at);
  const wide = (format & Format.DW4) !== 0;
  const start = (at + (wide ? 4 : 3)) * 4;
  const withData = (format & Format.DW3_DATA) !== 0;
  const count = TLP_HEADER.LENGTH.get(words, at) || 1024;
  if (format >= Format.PREFIX || bytes.length < start || (withData && bytes.length !== start + count * 4)) {
    return undefined;
  }

  const type = TLP_HEADER.TYPE.get(words, at);
  let tlp: Tlp | undefined;
  if (type === TypeCode.MEMORY) tlp = memoryRequest(words, at, withData, count, into);
  else if (type === TypeCode.CONFIG_0 && !wide) tlp = configRequest(words, at, withData, into);
  else if (type === TypeCode.COMPLETION && !wide) tlp = completion(words, at, withData, count, into);
  if (tlp === undefined) return undefined;

  tlp.attributes =
    (TLP_HEADER.IDO.get(words, at) << 2) | (TLP_HEADER.RO.get(words, at) << 1) | TLP_HEADER.NS.get(words, at);
  if (prefixed) {
    tlp.withPasid(
      PASID_PREFIX.PASID.get(words),
      PASID_PREFIX.PRIVILEGED.isSet(words),
      PASID_PREFIX.EXECUTE.isSet(words),
    );
  }
  if (tlp.data !== null) {
    const from = start + (tlp.addressLo & 3);
    tlp.data.set(bytes.subarray(from, from + tlp.length));
  }
  return tlp;
}

function prefixOf(tlp: Tlp) {
  return {
    FMT: Format.PREFIX,
    TYPE: TypeCode.PREFIX_PASID,
    PRIVILEGED: tlp.privileged ? 1 : 0,
    EXECUTE: tlp.execute ? 1 : 0,
    PASID: tlp.pasid,
  };
}

function headerOf(tlp: Tlp): Uint32Array {
  const wide = tlp.isMemoryRequest && tlp.addressHi !== 0;
  const carries = tlp.data !== null;
  const asksWords = tlp.kind !== TlpKind.COMPLETION;
  const common = {
    FMT: (carries ? Format.DW3_DATA : Format.DW3) | (wide ? Format.DW4 : Format.DW3),
    IDO: (tlp.attributes >> 2) & 1,
    RO: (tlp.attributes >> 1) & 1,
    NS: tlp.attributes & 1,
    AT: tlp.addressType,
    LENGTH: asksWords ? tlp.dataWords & 1023 : 0,
    REQUESTER_ID: tlp.requester,
    TAG: tlp.tag,
  };
  if (tlp.kind === TlpKind.COMPLETION || tlp.kind === TlpKind.COMPLETION_DATA) {
    return encode(COMPLETION, {
      ...common,
      TYPE: TypeCode.COMPLETION,
      COMPLETER_ID: tlp.completer,
      STATUS: tlp.status,
      BYTE_COUNT: tlp.byteCount & 4095,
      LOWER_ADDRESS: tlp.addressLo,
    });
  }
  const request = { ...common, ...byteEnables(tlp) };
  if (!tlp.isMemoryRequest) {
    return encode(CONFIG_REQUEST, {
      ...request,
      TYPE: TypeCode.CONFIG_0,
      TARGET_ID: tlp.completer,
      EXTENDED_REGISTER: (tlp.addressLo >>> 8) & 15,
      REGISTER: (tlp.addressLo >>> 2) & 63,
    });
  }
  const address = { TYPE: TypeCode.MEMORY, ADDRESS: tlp.addressLo >>> 2 };
  return wide
    ? encode(MEMORY_REQUEST_4DW, { ...request, ...address, ADDRESS_HIGH: tlp.addressHi >>> 0 })
    : encode(MEMORY_REQUEST_3DW, { ...request, ...address });
}

/** Which bytes of the first and last word a request means. */
function byteEnables(tlp: Tlp): { FIRST_BE: number; LAST_BE: number } {
  if (tlp.length === 0) return { FIRST_BE: 0, LAST_BE: 0 };
  const first = (15 << (tlp.addressLo & 3)) & 15;
  const last = 15 >> (3 - ((tlp.addressLo + tlp.length - 1) & 3));
  return tlp.dataWords === 1 ? { FIRST_BE: first & last, LAST_BE: 0 } : { FIRST_BE: first, LAST_BE: last };
}

/** Offset of the first byte and number of bytes under these byte enables, or `undefined` when they have gaps. */
function enabledBytes(first: number, last: number, count: number): { offset: number; length: number } | undefined {
  if (count === 1) {
    if (first === 0) return last === 0 ? { offset: 0, length: 0 } : undefined;
    const offset = 31 - Math.clz32(first & -first);
    const length = 32 - Math.clz32(first) - offset;
    return last === 0 && first === ((1 << length) - 1) << offset ? { offset, length } : undefined;
  }
  const offset = 31 - Math.clz32(first & -first);
  const end = 32 - Math.clz32(last);
  const gapless = first !== 0 && last !== 0 && first === ((15 << offset) & 15) && last === (1 << end) - 1;
  return gapless ? { offset, length: count * 4 - offset - (4 - end) } : undefined;
}

function memoryRequest(words: Words, at: number, withData: boolean, count: number, into: Tlp): Tlp | undefined {
  const wide = (TLP_HEADER.FMT.get(words, at) & Format.DW4) !== 0;
  const of = wide ? MEMORY_REQUEST_4DW : MEMORY_REQUEST_3DW;
  const enabled = enabledBytes(of.FIRST_BE.get(words, at), of.LAST_BE.get(words, at), count);
  if (enabled === undefined) return undefined;
  const requester = of.REQUESTER_ID.get(words, at);
  const tag = of.TAG.get(words, at);
  const hi = wide ? MEMORY_REQUEST_4DW.ADDRESS_HIGH.get(words, at) : 0;
  const lo = of.ADDRESS.get(words, at) * 4 + enabled.offset;
  if (withData) into.memoryWrite(requester, hi, lo, enabled.length).tag = tag;
  else into.memoryRead(requester, tag, hi, lo, enabled.length);
  into.addressType = of.AT.get(words, at);
  return into;
}

function configRequest(words: Words, at: number, withData: boolean, into: Tlp): Tlp | undefined {
  const of = CONFIG_REQUEST;
  const enabled = enabledBytes(of.FIRST_BE.get(words, at), of.LAST_BE.get(words, at), 1);
  if (enabled === undefined) return undefined;
  const offset = of.EXTENDED_REGISTER.get(words, at) * 256 + of.REGISTER.get(words, at) * 4 + enabled.offset;
  const requester = of.REQUESTER_ID.get(words, at);
  const tag = of.TAG.get(words, at);
  const target = of.TARGET_ID.get(words, at);
  return withData
    ? into.configWrite(requester, tag, target, offset, enabled.length)
    : into.configRead(requester, tag, target, offset, enabled.length);
}

function completion(words: Words, at: number, withData: boolean, count: number, into: Tlp): Tlp {
  const of = COMPLETION;
  const lower = of.LOWER_ADDRESS.get(words, at);
  const byteCount = of.BYTE_COUNT.get(words, at) || 4096;
  const completer = of.COMPLETER_ID.get(words, at);
  const status = of.STATUS.get(words, at);
  into.answer(of.REQUESTER_ID.get(words, at), of.TAG.get(words, at), completer, status, byteCount);
  return withData ? into.withData(lower, Math.min(byteCount, count * 4 - (lower & 3))) : into;
}
