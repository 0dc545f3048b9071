/**
 * Group `pcie-model`: what a link can carry, after Neugebauer et al., "Understanding PCIe performance for end host
 * networking" (SIGCOMM 2018), and its published model.
 *
 * Each point is simulated: TLPs saturate a `Link`, and what gets through is measured. Its own simplifications are those
 * of the published model: transfers are aligned, completions are as large as they can be however they were asked for,
 * and data counts by the byte (`dllp: 'published'`).
 */
import type { DllpModel, LinkSpec } from '../../../../hardware/pcie/index.ts';
import type { Point } from '../point.ts';
import { transferSize } from '../sizes.ts';
import type { GroupModel } from '../validate.ts';
import { find, rateIn, type Words, wordsOf } from '../words.ts';
import { type LinkConditions, linkConditions } from './conditions.ts';
import { type Nic, nicTraffic } from './nics.ts';
import { type Rates, saturate } from './saturate.ts';
import { Traffic } from './traffic.ts';

export const PCIE_MODEL: GroupModel = {
  group: 'pcie-model',
  recognise(point) {
    const words = wordsOf(point);
    const conditions = linkConditions(words);
    const unit = rateIn(point.unit);
    if (conditions === undefined || unit === undefined) return undefined;
    const measure =
      nicExperiment(words, conditions) ?? transferExperiment(words, conditions) ?? wireExperiment(words, conditions);
    return measure && (() => asPrinted(unit(measure()), point));
  },
};

type Measure = () => { readonly gigabits: number; readonly transactions: number };

/** The model prints two decimals; so a value that is small says less than its point's tolerance asks for. */
function asPrinted(value: number, { value: published }: Point): number {
  const written = [published].flat().map((one) => (String(one).split('.')[1] ?? '').length);
  return Number(value.toFixed(Math.max(2, ...written)));
}

/** Room for what a small root complex has (receive buffers of a common FPGA core); the model knows no limit. */
const CREDITS = { PH: 128, PD: 1024, NPH: 128, NPD: 32 } as const;

function run(conditions: LinkConditions, { upstream, downstream }: Traffic, dllp: DllpModel = 'published'): Rates {
  const { generation, width, maxPayload, ecrc } = conditions;
  const spec: LinkSpec = { generation, width, latency: 0, credits: CREDITS, dllp, maxPayload, ecrc };
  return saturate(spec, upstream, downstream);
}

/** Of how many bytes of payload a transaction consists. */
function payload(bytes: number, { transactions }: Rates): ReturnType<Measure> {
  return { gigabits: (bytes * 8 * transactions) / 1e9, transactions };
}

const BOTH =
  /(mrd ?[+/&] ?mwr|mwr ?[+/&] ?mrd|reads? ?(?:[+/&-]|and) ?writes?|\br ?[+/] ?w\b|\brd ?[+/]? ?wr\b|\bmrdmwr\b)/i;
const READ = /(mrd|\breads?\b|\brd\b)/i;
const WRITE = /(mwr|\bwrites?\b|\bwr\b)/i;

function transferExperiment(words: Words, conditions: LinkConditions): Measure | undefined {
  const texts = [words.quantity, words.conditions, words.id];
  const size = transferSize(words);
  const text = texts.find((one) => READ.test(one) || WRITE.test(one));
  if (size === undefined || text === undefined) return undefined;
  const both = BOTH.test(text);
  const reads = both || !WRITE.test(text);
  const traffic = new Traffic(conditions);
  if (both || !reads) traffic.deviceWrites(size);
  if (reads) traffic.deviceReads(size);
  return () => payload(size, run(conditions, traffic));
}

const TLP_LAYER = /(\btlp[ -]?(?:layer|bw|bandwidth)|\btlpbw\b|after ack|\busable\b|\bdata bandwidth)/i;
const RAW = /(\braw\b|\bphys(?:ical)?\b)/i;

/** What all of a TLP gets, and what it would get without DLLPs: posted writes of the largest payload, with all overhead. */
function wireExperiment(words: Words, conditions: LinkConditions): Measure | undefined {
  const texts = [words.quantity, words.id, words.conditions];
  const dllp = find(texts, TLP_LAYER) !== undefined ? 'published' : find(texts, RAW) !== undefined ? 'raw' : undefined;
  if (dllp === undefined) return undefined;
  return () => {
    const rates = run(conditions, new Traffic(conditions).deviceWrites(conditions.maxPayload), dllp);
    return { gigabits: rates.wireGigabits, transactions: rates.transactions };
  };
}

const SIMPLE = /(simpl(?:e|istic)[ _-]*nic)/i;
const POLLING = /(dpdk|\bpmd\b|\bpoll)/i;
const NIANTIC = /(niantic|82599|kernel[ _-]*nic|dpdk|\bpmd\b)/i;
const BOTH_WAYS = /(bi-?dir|full[ -]duplex|\brx ?[+/&] ?tx\b|\btx ?[+/&] ?rx\b|\bboth\b|\bbi\b)/i;
const RECEIVES = /(\brx\b|receiv)/i;
const TRANSMITS = /(\btx\b|transmi|\bsends?\b)/i;
const AS_RELEASED =
  /(as[ -](?:is|released|written|published|coded)|not (?:fixed|corrected)|uncorrected|unfixed|dropp|\bbug)/i;
const CORRECTED = /(corrected|\bfix|\+=|with (?:the )?descriptor[ -](?:read|fetch|request))/i;
const INTERRUPT_EACH = /\birq[ _-]?mod[ =:]*(\d+)/i;
const STRIPPED =
  /((?:without|minus|strip\w*|no|less|[-−]) ?(?:the )?(?:4 ?B )?(?:fcs|crc)|(?:fcs|crc) (?:is )?(?:strip|remov|not))/i;
const FCS_BYTES = 4;

function nicExperiment(words: Words, conditions: LinkConditions): Measure | undefined {
  const texts = [words.quantity, words.id, words.conditions];
  const kind =
    find(texts, SIMPLE) !== undefined ? 'simple' : find(texts, NIANTIC) !== undefined ? 'niantic' : undefined;
  const frame = transferSize(words);
  if (kind === undefined || frame === undefined) return undefined;
  const way = texts.find((text) => BOTH_WAYS.test(text) || RECEIVES.test(text) || TRANSMITS.test(text)) ?? '';
  const oneWay = !BOTH_WAYS.test(way) && RECEIVES.test(way) !== TRANSMITS.test(way);
  const nic: Nic = {
    kind,
    transmits: !oneWay || TRANSMITS.test(way),
    receives: !oneWay || RECEIVES.test(way),
    polling: find(texts, POLLING) !== undefined,
    interruptEach: Number(find(texts, INTERRUPT_EACH) ?? 32),
    packet: find(texts, STRIPPED) === undefined ? frame : frame - FCS_BYTES,
    countsDescriptorReads: find(texts, CORRECTED) !== undefined && find(texts, AS_RELEASED) === undefined,
  };
  const made = nicTraffic(nic, conditions);
  if (made === undefined) return undefined;
  return () => {
    const { transactions } = run(conditions, made.traffic);
    return payload(nic.packet, { transactions: transactions * made.packets, wireGigabits: 0 });
  };
}
