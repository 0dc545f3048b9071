/**
 * One recorded case on a fresh rig: set-up as the recording harness does it, then its steps one by one through
 * registers, memory and DMA requests alone. What was seen is handed out; nothing here knows what was expected.
 *
 * Offers: `replayCase`. Throws `NotSupported` where the rig does not know the mode that a case programs.
 */

import type { createRig, DmaResult, Rig, RigFault, RigOptions } from '../../../hardware/index.ts';
import type { Corpus, DmaStep, RecordedCase, Step } from './corpus.ts';
import { EventLog, type Evidence, type FaultLog, FaultRecordingRegisters } from './faults.ts';

export type MakeRig = typeof createRig;

/** What one DMA did. */
export interface Observation {
  readonly translated: boolean;
  /** Where each piece went, as the rig says; when it was blocked, only of a read, whose bytes land nowhere. */
  readonly addresses: readonly bigint[];
  /** Per piece of a write: at which of the watched addresses its bytes stand now. */
  readonly landed: readonly (readonly bigint[])[];
  /** The fault that the rig's own answer names. */
  readonly reported: RigFault | null;
  readonly evidence: Evidence;
  /** Contradictions within what the rig says and does. */
  readonly flaws: readonly string[];
}

/** What a step gave: a DMA an observation, a `chk` one value, a `memrd` its quadwords, the others nothing. */
export type Seen = Observation | readonly bigint[] | null;

/** Choices of the recorder that no register tells, by profile (rulings of the corpus' README). */
const RULINGS: Readonly<Record<string, Partial<RigOptions>>> = {
  // The bits that promise coherent walks are clear, yet accessed and dirty bits were updated (ruling 1).
  s1_48: { assumeCoherentWalks: true },
};

const CAP_MGAW = 16n;
const PHYSICAL_BITS = 52;
const TAG = 0x8000_0000n;
const TAG_MASK = 0x7fff_ffffn;
const PAGE_BYTES = 4096n;

/** Runs the steps of `recorded`, giving `see` what each of them showed. */
export function replayCase(
  corpus: Corpus,
  recorded: RecordedCase,
  make: MakeRig,
  see: (step: Step, index: number, seen: Seen) => void,
): void {
  const rig = make(rigOptions(corpus, recorded.profile));
  for (const [at, quadwords] of Object.entries(recorded.mem)) rig.writeMemory(BigInt(at), bytesOf(quadwords, 8));
  for (const at of recorded.tag) rig.writeMemory(at, bytesOf([TAG | ((at >> 2n) & TAG_MASK)], 4));
  const log: FaultLog =
    recorded.evtlog === undefined ? new FaultRecordingRegisters(rig) : new EventLog(rig, recorded.evtlog);
  recorded.steps.forEach((step, index) => {
    see(step, index, run(rig, log, step, index, corpus));
  });
}

function run(rig: Rig, log: FaultLog, step: Step, index: number, corpus: Corpus): Seen {
  switch (step.op) {
    case 'reg':
      rig.writeRegister(step.off, step.w, step.val);
      return null;
    case 'mem':
      rig.writeMemory(step.at, bytesOf(step.q, 8));
      return null;
    case 'chk':
      return [rig.readRegister(step.off, step.w) & step.mask];
    case 'memrd':
      return wordsOf(rig.readMemory(step.at, step.n * 8), 8);
    case 'dma': {
      const seen = dma(rig, log, step, index, corpus.platform.devices[step.dev]!.sid);
      if (step.drain) log.drain();
      return seen;
    }
  }
}

function rigOptions(corpus: Corpus, profile: string): RigOptions {
  const common = { ram: corpus.platform.ram, ...RULINGS[profile] };
  if (corpus.vendor === 'amd')
    return { ...common, vendor: 'amd', capabilities: { efr: corpus.profiles[profile]!.efr } };
  const { ver, cap, ecap } = corpus.profiles[profile]!;
  // The host address width has no register; the recorder's is the guest address width (ruling 3), up to what exists.
  const hostAddressWidth = Math.min(Number((cap >> CAP_MGAW) & 0x3fn) + 1, PHYSICAL_BITS);
  return { ...common, vendor: 'intel', capabilities: { ver, cap, ecap }, hostAddressWidth };
}

function dma(rig: Rig, log: FaultLog, step: DmaStep, index: number, requester: number): Observation {
  const cuts = piecesOf(step);
  const write = step.rw === 'w';
  // Unlike a tag, bit 31 is clear: what a DMA wrote is told from everything that was there before.
  const marks = cuts.map(({ length }, i) => bytesOf([BigInt(0x0d3a_0000 + index * 4 + i)], 4).subarray(0, length));
  const data = new Uint8Array(step.len);
  cuts.forEach(({ offset }, i) => {
    data.set(marks[i]!, offset);
  });
  const [result, evidence] = log.around(() =>
    rig.dma({ requester, address: step.iova, write, ...(write ? { data } : { length: step.len }) }),
  );
  const flaws = [...evidence.flaws];
  const addresses = result.ok
    ? cuts.map(({ offset }) => addressAt(result, offset))
    : write || cuts.length === 1
      ? []
      : probe(rig, step, requester, cuts[0]!.length);
  if (addresses.includes(NOWHERE)) flaws.push('the segments do not cover the access');
  if (result.ok && !write) {
    cuts.forEach(({ offset, length }, i) => {
      const there = rig.readMemory(addresses[i]!, length);
      if (!equal(there, result.data?.subarray(offset, offset + length))) {
        flaws.push(`the data read is not what stands at ${hex(addresses[i]!)}`);
      }
    });
  }
  const watched = write ? new Set([...watchedBy(step), ...addresses]) : [];
  const landed = marks.map((mark) => [...watched].filter((at) => equal(rig.readMemory(at, mark.length), mark)));
  return {
    translated: result.ok,
    addresses,
    landed,
    reported: result.ok ? null : (result.fault ?? null),
    evidence,
    flaws,
  };
}

/** Where the first piece of a read went whose second was blocked: the answer has no place for it. */
function probe(rig: Rig, { iova }: DmaStep, requester: number, length: number): bigint[] {
  const result = rig.translate({ requester, address: iova, write: false, length, probe: true });
  return result.ok ? [addressAt(result, 0)] : [];
}

/** The requests that an access becomes: it is cut at page ends. */
export function piecesOf({ iova, len }: DmaStep): { readonly offset: number; readonly length: number }[] {
  const pieces = [];
  for (let offset = 0; offset < len; ) {
    const room = Number(PAGE_BYTES - ((iova + BigInt(offset)) % PAGE_BYTES));
    const length = Math.min(room, len - offset);
    pieces.push({ offset, length });
    offset += length;
  }
  return pieces;
}

/** Every address that anybody names for the access. */
function watchedBy(step: DmaStep): bigint[] {
  const readings = [step.fresh, ...(step.fresh2 === undefined ? [] : [step.fresh2]), ...step.legal];
  return [...step.cand, ...readings.flatMap((reading) => (reading.kind === 'translated' ? [reading.address] : []))];
}

/** Stands for an address that the rig does not name; beyond every physical one. */
const NOWHERE = 1n << 63n;

function addressAt(result: DmaResult, offset: number): bigint {
  let start = 0;
  for (const { address, length } of result.ok ? result.segments : []) {
    if (offset < start + length) return address + BigInt(offset - start);
    start += length;
  }
  return NOWHERE;
}

function bytesOf(values: readonly bigint[], size: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (size === 8) view.setBigUint64(i * 8, value, true);
    else view.setUint32(i * 4, Number(value), true);
  });
  return bytes;
}

function wordsOf(bytes: Uint8Array, size: 8): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / size }, (_, i) => view.getBigUint64(i * size, true));
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const hex = (value: bigint) => `0x${value.toString(16)}`;
