/**
 * How much of a link's bandwidth TLPs get. What DLLPs and SKIP ordered sets take is a share of the rate, not packets: an
 * exact fraction, so that no rounding adds up.
 *
 * The named models of that share:
 * - `none`: DLLPs take no time beside what a flit sets aside for them;
 * - `measured`: 5.5 %, as on a link of generation 3 with 8 lanes (timing of the pcie-bench data);
 * - `published`: that of pcie-model (Neugebauer et al., SIGCOMM 2018): one Ack and one UpdateFC in each of their latency
 *   limits, and SKIP. It gives them all of a flit beside CRC and FEC, and counts data by the byte, not by the word;
 * - `raw`: what the published model starts from: nothing is deducted.
 */
import { ps, Rate } from '../sim/index.ts';
import { DLLP_BYTES, type Generation, LINK_RATES, type PayloadSize, SKIP, type Width } from './spec/index.ts';

export const DLLP_MODELS = ['none', 'measured', 'published', 'raw'] as const;
export type DllpModel = (typeof DLLP_MODELS)[number];

/** True when the model counts data by the byte. */
export function countsBytes(model: DllpModel): boolean {
  return model === 'published' || model === 'raw';
}

/** The rate of a link for what its TLPs count, as an exact fraction. `maxPayload` matters to the published model only. */
export function linkRate(
  generation: Generation,
  width: Width,
  dllp: DllpModel = 'none',
  maxPayload: PayloadSize = 256,
): Rate {
  const rate = LINK_RATES[generation];
  const bytes = rate.payload + (countsBytes(dllp) ? rate.dllp : 0);
  // One lane moves a bit in 10 000 / decitransfers ps, and of `encoded` bits `bytes` count.
  const whole = new Rate(rate.decitransfers * width * bytes, ps(rate.encoded * 8 * 10_000));
  if (dllp === 'measured') return whole.share(189, 200);
  if (dllp !== 'published') return whole;
  const ack = ackLimit(generation, width, maxPayload);
  const fc = updateFcLimit(generation, width, maxPayload);
  const all = ack * fc * SKIP.interval;
  return whole.share(all - (DLLP_BYTES * (ack + fc) * SKIP.interval + SKIP.symbols * ack * fc), all);
}

/** Symbol times after which an Ack is due at the latest. */
export function ackLimit(generation: Generation, width: Width, maxPayload: PayloadSize): number {
  // The published model's table has a slip of the pen here.
  if (generation === 2 && width === 32 && maxPayload === 4096) return 237;
  return latencyLimit(generation, width, maxPayload);
}

/** Symbol times after which an UpdateFC is due. */
export function updateFcLimit(generation: Generation, width: Width, maxPayload: PayloadSize): number {
  // And here.
  if (generation === 1 && width === 32 && maxPayload === 2048) return 248;
  return latencyLimit(generation, width, maxPayload);
}

/** PCIe Base Specification, tables of the Ack Transmission Latency Limit and of UpdateFC: ((MPS + 28) · AckFactor) / width + internal delay. */
function latencyLimit(generation: Generation, width: Width, maxPayload: PayloadSize): number {
  const delay = generation === 1 ? 19 : generation === 2 ? 70 : 115;
  return Math.floor(((maxPayload + 28) * ackFactorTenths(width, maxPayload)) / (10 * width)) + delay;
}

function ackFactorTenths(width: Width, maxPayload: PayloadSize): number {
  if (maxPayload > 256) return width <= 8 ? 10 : 20;
  if (width <= 4) return 14;
  return width === 8 ? 25 : 30;
}
