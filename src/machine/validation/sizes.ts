/** Sizes in words: how large a transfer is, and what else has a size. */
import { type Words, without } from './words.ts';

/** What limits the TLPs of a link. */
export const LIMITS = {
  maxPayload: /\b(?:MPS|max(?:imum)?[ _-]*payload(?:[ _-]*size)?)[ =:]*(\d+)/gi,
  maxReadRequest: /\b(?:MRRS|max(?:imum)?[ _-]*read[ _-]*request(?:[ _-]*size)?)[ =:]*(\d+)/gi,
  boundary: /\b(?:RCB|read[ _-]*completion[ _-]*boundary)[ =:]*(\d+)/gi,
} as const;

const LIMIT_WITH_UNIT = new RegExp(
  `(?:${Object.values(LIMITS)
    .map(({ source }) => source)
    .join('|')})\\s*(?:B|bytes?)?(?![a-z\\d])`,
  'gi',
);
const UNIT = '(?:[ -]?(B|bytes?|KiB|KB))';
const LABELLED = [
  new RegExp(`\\b(?:packets?|frames?|pkt|transfers?|payloads?|size|sz)(?: size)?(?: of)?[ =:]*(\\d+)${UNIT}?\\b`, 'i'),
  new RegExp(`\\b(\\d+)${UNIT}?[ -](?:packets?|frames?|transfers?|payloads?)\\b`, 'i'),
];
const PLAIN = new RegExp(`(?<![\\w.])(\\d+)${UNIT}(?![a-z])`, 'i');
const LARGEST_TRANSFER = 2 ** 20;

/** Bytes of one transfer or packet. */
export function transferSize(words: Words): number | undefined {
  const { quantity, conditions, id } = without(words, LIMIT_WITH_UNIT);
  for (const [pattern, texts] of [
    ...LABELLED.map((labelled) => [labelled, [conditions, quantity, id]] as const),
    [PLAIN, [id, quantity, conditions]] as const,
  ]) {
    for (const text of texts) {
      const [, number, unit = ''] = pattern.exec(text) ?? [];
      const bytes = bytesOf(`${number}${unit}`);
      if (bytes >= 1 && bytes <= LARGEST_TRANSFER) return bytes;
    }
  }
  return undefined;
}

const SHIFTS: Readonly<Record<string, number>> = { k: 10, m: 20, g: 30 };

/** Bytes: "4 KiB", "1.5M", "8192". A prefix is binary however it is written; NaN for what is no size. */
export function bytesOf(text: string): number {
  const [, number, prefix = ''] = /^\s*(\d+(?:\.\d+)?)[ -]?([kmg]?)(?:i?b|bytes?)?\s*$/i.exec(text) ?? [];
  return Number(number) * 2 ** (SHIFTS[prefix.toLowerCase()] ?? 0);
}
