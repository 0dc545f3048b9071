/** The configuration of a link as pcie-model states it: what is not stated has that model's default. */
import {
  type Generation,
  LINK_RATES,
  PAYLOAD_SIZES,
  type PayloadSize,
  type Width,
} from '../../../../hardware/pcie/index.ts';
import { LIMITS } from '../sizes.ts';
import { find, oneOf, type Words } from '../words.ts';

export interface LinkConditions {
  readonly generation: Generation;
  readonly width: Width;
  /** Max_Payload_Size, Max_Read_Request_Size. */
  readonly maxPayload: PayloadSize;
  readonly maxReadRequest: PayloadSize;
  /** Bytes of the largest completion: a payload, or what lies between two read completion boundaries. */
  readonly completion: number;
  readonly addressBits: 32 | 64;
  readonly ecrc: boolean;
}

const GENERATION = [/\bgen(?:eration)?[ .-]*([1-7])(?!\d)/i, /\bpcie ?([1-7])(?:\.\d)?(?![\d-])/i];
const WIDTH = [/(?<![a-z])x ?(\d+)\b/i, /\b(\d+)[ -]?lanes?\b/i, /\blanes?[ =:]*(\d+)\b/i];
const NO_BOUNDARY_PIECES = /\brcb[ _-]*chunks?[ =:]*(?:false|off|no|0)\b|\b(?:no|without) rcb[ _-]*chunks?/i;
const BOUNDARY_PIECES =
  /\brcb ?\d*[ _-]*(?:B|bytes?)?[ _-]*(?:chunks?|sized|pieces?|completions?)\b|\b(?:in|into|at|by|every|per|of) (?:each |the )?rcb\b/i;
const ADDRESS = [/\b(32|64)[ -]?bits?\b/i, /\baddr(?:ess(?:es)?)?[ =:]*(32|64)\b/i, /\b(?:MWr|MRd|a)(32|64)\b/];
const NO_ECRC = /\b(?:no|without|w\/o)[ -]?(?:ecrc|digest)|\becrc[ =:]*(?:0|off|no|false|disabled)\b/i;
const ECRC = /ecrc|\bdigest\b/i;

/** Nothing when generation or width is not stated, or something is that no link has. */
export function linkConditions(words: Words): LinkConditions | undefined {
  const texts = [words.conditions, words.quantity, words.id];
  const limit = (what: keyof typeof LIMITS, otherwise: number): number =>
    Number(find(texts, new RegExp(LIMITS[what].source, 'i')) ?? otherwise);
  const says = (pattern: RegExp): boolean => texts.some((text) => pattern.test(text));
  const generation = Number(find(texts, ...GENERATION));
  const width = oneOf([1, 2, 4, 8, 16, 32], Number(find(texts, ...WIDTH)));
  const maxPayload = oneOf(PAYLOAD_SIZES, limit('maxPayload', 256));
  const maxReadRequest = oneOf(PAYLOAD_SIZES, limit('maxReadRequest', 512));
  const boundary = oneOf([64, 128, 256, 512], limit('boundary', 64));
  if (!(generation in LINK_RATES) || !width || !maxPayload || !maxReadRequest || !boundary) return undefined;
  return {
    generation: generation as Generation,
    width,
    maxPayload,
    maxReadRequest,
    completion: says(BOUNDARY_PIECES) && !says(NO_BOUNDARY_PIECES) ? boundary : maxPayload,
    addressBits: find(texts, ...ADDRESS) === '32' ? 32 : 64,
    ecrc: says(ECRC) && !says(NO_ECRC),
  };
}
