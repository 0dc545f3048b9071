/** Messages in words, and what else ATS and PRI send. */
import {
  isStopMarker,
  MOST_COMPLETIONS,
  ResponseCode,
  readInvalidateCompletion,
  readInvalidateRequest,
  readPageGroupResponse,
  readPageRequest,
  saysNoWrite,
  TRANSLATION_BYTES,
  WHOLE_SHIFT,
} from '../../hardware/ats/index.ts';
import { hex, joinHalves } from '../../hardware/bits/index.ts';
import { formatRequester, MessageCode, MessageRouting, type Tlp } from '../../hardware/pcie/index.ts';
import { sizeText } from '../recorder/index.ts';

/** Shorter than the specification's names, as people say them; of all other messages the name is the specification's. */
const SHORT_NAMES: Readonly<Record<number, string>> = {
  [MessageCode.INVALIDATE_REQUEST]: 'InvReq',
  [MessageCode.INVALIDATE_COMPLETION]: 'InvCpl',
  [MessageCode.PAGE_REQUEST]: 'PageReq',
  [MessageCode.PAGE_REQUEST_GROUP_RESPONSE]: 'PRGResp',
};

const NAMES: Readonly<Record<number, string>> = {
  ...Object.fromEntries(Object.entries(MessageCode).map(([name, code]) => [code, name])),
  ...SHORT_NAMES,
};

const RESPONSES: Readonly<Record<number, string>> = {
  [ResponseCode.SUCCESS]: 'success',
  [ResponseCode.INVALID_REQUEST]: 'invalid request',
  [ResponseCode.RESPONSE_FAILURE]: 'response failure',
};

export function messageName({ messageCode }: Tlp): string {
  return NAMES[messageCode] ?? hex(messageCode);
}

/** What a translation request asks. */
export function translationDetail({ length, addressHi, addressLo }: Tlp): string {
  const pages = length / TRANSLATION_BYTES;
  const what = pages === 1 ? 'translation' : `${pages} translations`;
  const noWrite = saysNoWrite(addressLo) ? ', no write' : '';
  return `${what} of ${hex(joinHalves(addressHi, addressLo & -4096))}${noWrite}`;
}

/** What a message says: of a known one its fields, of another who sends it. */
export function messageDetail(tlp: Tlp): string {
  switch (tlp.messageCode) {
    case MessageCode.INVALIDATE_REQUEST:
      return invalidateRequest(tlp);
    case MessageCode.INVALIDATE_COMPLETION: {
      const { tags, count } = readInvalidateCompletion(tlp);
      const named = Array.from({ length: 32 }, (_, tag) => tag).filter((tag) => ((tags >>> tag) & 1) !== 0);
      return `${receiver(tlp)}, ITag ${named.join(' ')}, one of ${count || MOST_COMPLETIONS}`;
    }
    case MessageCode.PAGE_REQUEST: {
      const request = readPageRequest(tlp);
      if (isStopMarker(request)) return 'stop marker';
      const rights = `${request.read ? 'R' : '-'}${request.write ? 'W' : '-'}${request.execute ? 'X' : ''}`;
      const last = request.last ? ', last' : '';
      return `${rights} ${hex(joinHalves(request.hi, request.lo))}, group ${request.group}${last}`;
    }
    case MessageCode.PAGE_REQUEST_GROUP_RESPONSE: {
      const { group, code } = readPageGroupResponse(tlp);
      return `${receiver(tlp)}, group ${group}: ${RESPONSES[code] ?? `code ${code}`}`;
    }
    default: {
      const to = tlp.routing === MessageRouting.ID ? `${receiver(tlp)}, ` : '';
      return `${to}from ${formatRequester(tlp.requester)}`;
    }
  }
}

function invalidateRequest(tlp: Tlp): string {
  const invalidation = readInvalidateRequest(tlp);
  if (invalidation === null) return `${receiver(tlp)}, malformed`;
  const { tag, global, hi, lo, shift } = invalidation;
  const range = shift === WHOLE_SHIFT ? 'everything' : `${sizeText(2 ** shift)} at ${hex(joinHalves(hi, lo))}`;
  return `${receiver(tlp)}, ITag ${tag}, ${range}${global ? ', global' : ''}`;
}

function receiver({ completer }: Tlp): string {
  return formatRequester(completer);
}
