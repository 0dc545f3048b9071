/** The recordings that tests replay, and observations made up from a reading. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Contested,
  type Corpus,
  type DmaStep,
  parseContested,
  parseCorpus,
  type Reading,
} from '../../src/cli/replay/corpus.ts';
import type { Observation } from '../../src/cli/replay/replay.ts';

export type Vendor = 'intel' | 'amd';

const SLICE = fileURLToPath(new URL('../vectors/oracle', import.meta.url));
const FULL = fileURLToPath(new URL('../../../shared/oracle', import.meta.url));

export const hasFullRecordings = existsSync(`${FULL}/corpus-intel.json`);
export const WHY_SKIPPED = 'the full recordings do not lie beside this repository, in ../shared/oracle';

export const sliceFile = (vendor: Vendor) => `${SLICE}/corpus-${vendor}.json`;
export const fullFile = (vendor: Vendor) => `${FULL}/corpus-${vendor}.json`;

export const sliceText = (vendor: Vendor) => readFileSync(sliceFile(vendor), 'utf8');
export const slice = (vendor: Vendor): Corpus => parseCorpus(sliceText(vendor));
export const full = (vendor: Vendor): Corpus => parseCorpus(readFileSync(fullFile(vendor), 'utf8'));
export const sliceContested = (vendor: Vendor): Contested =>
  parseContested(readFileSync(`${SLICE}/contested-${vendor}.json`, 'utf8'));

/** The slices, and the full recordings where they are. */
export const recordings = (): Corpus[] => [
  slice('intel'),
  slice('amd'),
  ...(hasFullRecordings ? [full('intel'), full('amd')] : []),
];

/** What a rig shows that does exactly what the readings of the access' pieces say. */
export function observationOf(step: DmaStep, readings: readonly Reading[], source: number): Observation {
  const write = step.rw === 'w';
  const stop = readings.findIndex(({ kind }) => kind !== 'translated');
  const done = stop < 0 ? readings : readings.slice(0, stop);
  const addresses = done.flatMap((it) => (it.kind === 'translated' ? [it.address] : []));
  const landed = readings.map((_, i) => (write && i < addresses.length ? [addresses[i]!] : []));
  const quiet = { records: [], canRecord: true, waiting: [], flaws: [] };
  if (stop < 0) return { translated: true, addresses, landed, reported: null, evidence: quiet, flaws: [] };
  const wanted = readings[stop]!;
  const code = wanted.kind === 'blocked' ? wanted.codes[0]! : 0;
  const recorded = wanted.kind === 'blocked' && wanted.recorded;
  const address = (step.iova + (stop === 0 ? 0n : 4n)) & ~0xfffn;
  return {
    translated: false,
    addresses: write ? [] : addresses,
    landed,
    reported:
      wanted.kind === 'open' ? null : { code, name: '', recorded, requester: source, pasid: -1, address, write },
    evidence: recorded ? { ...quiet, records: [{ code, source, page: address, write }] } : quiet,
    flaws: [],
  };
}
