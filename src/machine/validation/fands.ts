/**
 * Groups `fands-flows`, `fands-ring` and `fands-model`: what "Fast & Safe IO Memory Protection" (SOSP 2024) has measured of a NIC that
 * receives under an IOMMU. Each run of the model gives all quantities of one set-up.
 */
import { FANDS_VALUES } from '../measured/fands.ts';
import { type Receiving, receive } from '../measured/nic-receive/run.ts';
import type { Protection, ReceiveSetUp } from '../measured/nic-receive/values.ts';
import type { Point } from './point.ts';
import { remembered } from './remembered.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { choose, find, rateIn, wordsOf } from './words.ts';

const PROTECTION: readonly (readonly [Protection, RegExp])[] = [
  ['off', /\biommu[ _.-]?(?:off|disabled)|\b(?:no|without)[ _-](?:the )?(?:iommu|protection)\b/i],
  ['fands', /\bfands\b|\bF&S\b/i],
  ['pass-through', /\bpass[ _-]?through\b|\biommu=pt\b/i],
  ['lazy', /\blazy\b|\bdeferred\b/i],
  ['huge', /\bhuge[ _-]?pages?\b|\bsuper[ _-]?pages?\b|\b2 ?MiB? pages\b/i],
  ['persistent', /\bpersistent\b/i],
  ['strict', /\bstrict\b|\blinux\b/i],
];

type Quantity = (receiving: Receiving) => number;

/** Per 4 KiB of data. */
const COUNTED: readonly (readonly [Quantity, RegExp])[] = [
  [({ per4K }) => per4K.iotlb, /\biotlb[ _-]?miss/i],
  [({ per4K }) => per4K.level1, /\bpt[ _-]?c(?:ache)?[ _-]?L1[ _-]?miss/i],
  [({ per4K }) => per4K.level2, /\bpt[ _-]?c(?:ache)?[ _-]?L2[ _-]?miss/i],
  [({ per4K }) => per4K.level3, /\bpt[ _-]?c(?:ache)?[ _-]?L3[ _-]?miss/i],
  [({ per4K }) => per4K.acknowledgements, /\backs?(?:[ _-]|nowledgements?)*per\b/i],
  [({ per4K }) => per4K.reads, /\bmemory reads\b/i],
];
const IS_PER_PAGE = /\bper[ _-]?(?:4[ _-]?Ki?B|page)\b/i;
const THROUGHPUT = /\b(?:tput|throughput|goodput)\b/i;
const DROPS = /\bdrop(?:s|ped|[ _-]?rate)?\b/i;

const FLOWS = /\bflows?[ =:]*(\d+)|\b(\d+)[ -]flows?\b/i;
const RING = /\bring(?:[ -](?:buffer )?size)?[ =:]*(\d+)|\b(\d+)[ -]?(?:entry|packet)? ring\b/i;
const CORES = /\b(\d+)[ -]cores?\b/i;
const MTU = /\bMTU(?: of)?[ =:]*(\d+(?:\.\d+)?)( ?K)?/i;
/** What the paper has where it says nothing else. */
const USUAL = { flows: 5, ring: 256, mtu: 4000 } as const;
const [MOST_FLOWS, MOST_RING, MOST_CORES] = [400, 8192, 32];
const MTUS = [576, 9216] as const;

/** Of the paper's own formula: the time of a packet is l0 + lm for each read. */
const OF_THE_FORMULA = /^l(?:0|m)\b/i;
const LARGEST = /\bmax(?:imum)?\b/i;
/** Where walks are longest. */
const EXTREMES: readonly Pick<ReceiveSetUp, 'flows' | 'ring'>[] = [
  { flows: 5, ring: 256 },
  { flows: 40, ring: 256 },
  { flows: 5, ring: 2048 },
];

const REASONS: readonly (readonly [string, RegExp])[] = [
  ['Requests and their answers are not simulated: the senders only send.', /\blatenc(?:y|ies)\b|\bRPC\b|\bP99/i],
  ['Applications above TCP are not timed.', /\bredis\b|\bnginx\b|\bspdk\b/i],
  ['Where nothing but cores limits, the time of the whole network stack decides, which is not simulated.', /\bcpu\b/i],
  ['Of what sends from this host only acknowledgements are simulated.', /\bTx\b|\btransmit/i],
];

/** Of rings larger than the usual one. */
const RING_REASONS: Partial<Record<Protection, string>> = {
  strict:
    'Pages of a large ring lie in more leaf tables than here are cached between invalidations; in the measured machine they lie closer together, and no calibration point says why.',
  fands:
    'The measured receiver is slower with a larger ring although its walks stay short; no calibration point says why, and nothing in this model does.',
};

const model = (group: string): GroupModel => ({ group, recognise, reason });

export const FANDS_MODELS: readonly GroupModel[] = ['fands-flows', 'fands-ring', 'fands-model'].map(model);

function recognise(point: Point): Experiment | 'parameter' | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const what = underscored(quantity);
  const measured = quantityOf(what, point.unit);
  if (OF_THE_FORMULA.test(what)) return 'parameter';
  const setUp = setUpOf(point);
  if (measured === undefined || setUp === undefined) return undefined;
  if (LARGEST.test(`${what} ${id}`)) {
    return () => Math.max(...EXTREMES.map((extreme) => measured(run({ ...setUp, ...extreme }))));
  }
  return conditions === '' ? undefined : () => measured(run(setUp));
}

function reason(point: Point): string | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const why = choose([underscored(`${quantity} ${id}`), conditions], REASONS);
  const setUp = setUpOf(point);
  return why ?? (setUp !== undefined && setUp.ring > USUAL.ring ? RING_REASONS[setUp.protection] : undefined);
}

interface Run extends ReceiveSetUp {
  readonly cores: number;
}

function setUpOf(point: Point): Run | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const texts = [conditions, id];
  const number = (pattern: RegExp, usual: number): number => Number(find(texts, pattern) ?? usual);
  // "fands" in an id is the name of the paper.
  const protection = choose([underscored(quantity), id.replace(/^fands /, ''), conditions], PROTECTION) ?? 'strict';
  const flows = number(FLOWS, USUAL.flows);
  const ring = number(RING, USUAL.ring);
  const cores = number(CORES, FANDS_VALUES.cores);
  const mtu = mtuOf(texts);
  const isPossible = flows >= 1 && flows <= MOST_FLOWS && ring >= 1 && ring <= MOST_RING && mtu >= MTUS[0];
  if (!isPossible || mtu > MTUS[1] || cores < 1 || cores > MOST_CORES) return undefined;
  return { protection, flows, ring, mtu, cores, seed: 1 };
}

/** "MTU 4K" is 4000 bytes there. */
function mtuOf(texts: readonly string[]): number {
  for (const text of texts) {
    const [, number, thousands] = MTU.exec(text) ?? [];
    if (number !== undefined) return Number(number) * (thousands === undefined ? 1 : 1000);
  }
  return USUAL.mtu;
}

function quantityOf(what: string, unit: string): Quantity | undefined {
  const inUnit = rateIn(unit);
  if (inUnit !== undefined) {
    return THROUGHPUT.test(what) ? ({ gigabits }) => inUnit({ gigabits, transactions: 0 }) : undefined;
  }
  if (unit === '%') return DROPS.test(what) ? ({ lostPct }) => lostPct : undefined;
  return IS_PER_PAGE.test(what) ? choose([what], COUNTED) : undefined;
}

/** Dots and underscores part words. */
function underscored(text: string): string {
  return text.replace(/[._]/g, ' ');
}

const run = remembered(({ cores, ...setUp }: Run): Receiving => receive({ ...FANDS_VALUES, cores }, setUp));
