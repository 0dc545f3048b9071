/** Makes a TLP of what the registers of the malicious device say of its kind. */
import type { Tlp, TlpKind } from '../../pcie/index.ts';
import { HEADER, Kind, LENGTH, TARGET } from './spec.ts';

/** The data sheet numbers TLPs as the models do, so that its KIND is theirs. This does not compile where they differ. */
export const KIND: typeof TlpKind = Kind;

/** What every kind has, as far as it has it. */
export interface Header {
  readonly requester: number;
  readonly tag: number;
  readonly hi: number;
  readonly lo: number;
  readonly length: number;
}

const CONFIG_OFFSETS = 0xfff;
const WORD = 4;

/** What kind of TLP it is, and the fields that only some kinds have. */
export function build(tlp: Tlp, kind: number, { requester, tag, hi, lo, length }: Header, words: Uint32Array): Tlp {
  const completer = TARGET.COMPLETER.get(words);
  switch (kind) {
    case KIND.MEMORY_READ:
      return tlp.memoryRead(requester, tag, hi, lo, length);
    case KIND.MEMORY_WRITE:
      return tlp.memoryWrite(requester, hi, lo, length);
    case KIND.DEFERRABLE_WRITE:
      return tlp.deferrableWrite(requester, tag, hi, lo, length);
    case KIND.COMPLETION:
    case KIND.COMPLETION_DATA: {
      tlp.answer(requester, tag, completer, HEADER.STATUS.get(words), LENGTH.BYTE_COUNT.get(words));
      return kind === KIND.COMPLETION ? tlp : tlp.withData(lo & 0x7f, length);
    }
    case KIND.CONFIG_READ_0:
    case KIND.CONFIG_READ_1:
      return tlp
        .configRead(requester, tag, completer, lo & CONFIG_OFFSETS, Math.min(length, WORD))
        .ofType1(kind === KIND.CONFIG_READ_1);
    case KIND.CONFIG_WRITE_0:
    case KIND.CONFIG_WRITE_1:
      return tlp
        .configWrite(requester, tag, completer, lo & CONFIG_OFFSETS, Math.min(length, WORD))
        .ofType1(kind === KIND.CONFIG_WRITE_1);
    case KIND.MESSAGE:
    case KIND.MESSAGE_DATA: {
      tlp.message(requester, TARGET.MESSAGE_CODE.get(words), [hi, lo]);
      tlp.routing = HEADER.ROUTING.get(words);
      tlp.completer = completer;
      if (kind === KIND.MESSAGE_DATA) tlp.withMessageData(length);
      return tlp;
    }
    default:
      return tlp.atomic(kind, requester, tag, hi, lo, length);
  }
}
