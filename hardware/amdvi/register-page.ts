/**
 * The registers of one unit: which of them its features give it, with which power-on values, and what a write to one does
 * to others. A register of an absent feature does not exist: it reads 0 and takes no write.
 *
 * Offers: `file`, to which the unit's parts attach what they do; `read` and `write` of 1, 2, 4 or 8 bytes that are aligned
 * to their size. All other accesses read 0 and change nothing.
 */
import { type AnyLayout, highOf, joinHalves, lowOf, type Placement, RegisterFile } from '../bits/index.ts';
import { NO_DOMAIN, NO_PASID, NO_REQUESTER, type PerformanceEvents } from '../iommu/index.ts';
import { COUNTERS, type CountersSpec, checkCounters, offsetOfCounter } from './counters.ts';
import type { FeatureName, Features } from './features.ts';
import { RINGS } from './rings.ts';
import {
  CONTROL,
  CONTROL_RESERVED_WITHOUT,
  COUNTER_CONFIGURATION,
  COUNTER_REGISTERS,
  CounterSource,
  DEVICE_TABLE_SEGMENT,
  EFR,
  EFR2,
  POWER_ON,
  REGISTERS,
  RESERVED_1FF8,
  type RegisterGroup,
  SMI_FILTER,
} from './spec/index.ts';

export class RegisterPage {
  readonly file: RegisterFile;
  counters: PerformanceEvents | null = null;
  readonly #features: Features;

  constructor(features: Features, counters = COUNTERS) {
    checkCounters(counters);
    this.#features = features;
    this.file = new RegisterFile(features.registerBytes, placementsOf(features, counters));
    this.#report(counters);
    this.#attach();
  }

  read(offset: number, size: number): bigint {
    if (!isAligned(offset, size)) return 0n;
    this.#countIgnored(offset);
    if (size === 8) return joinHalves(this.file.read32(offset + 4), this.file.read32(offset));
    return BigInt(this.file.readBytes(offset, size));
  }

  write(offset: number, size: number, value: bigint): void {
    if (!isAligned(offset, size) || this.#asksForTooManySegments(offset, size, value)) return;
    this.#countIgnored(offset);
    if (size === 8) this.file.write64(offset, lowOf(value), highOf(value));
    else this.file.writeBytes(offset, size, lowOf(value));
  }

  /** What is read from or written to the reserved register has no effect, but is counted. */
  #countIgnored(offset: number): void {
    if (this.counters === null || offset < RESERVED_1FF8.$.offset! || offset >= RESERVED_1FF8.$.offset! + 8) return;
    this.counters.count(CounterSource.IGN_RD_WR_MMIO_1FF8H, NO_REQUESTER, NO_DOMAIN, NO_PASID, 0);
  }

  /** A write of Control that asks for more segments than the unit has is ignored whole. */
  #asksForTooManySegments(offset: number, size: number, value: bigint): boolean {
    const start = CONTROL.$.offset!;
    if (offset < start || offset >= start + 8) return false;
    const { words } = this.file;
    const shift = BigInt((offset - start) * 8);
    const lanes = ((1n << BigInt(size * 8)) - 1n) << shift;
    const kept = joinHalves(words[start / 4 + 1]!, words[start / 4]!) & ~lanes;
    const next = kept | ((value << shift) & lanes);
    const wanted = CONTROL.DevTblSegEn.get(new Uint32Array([lowOf(next), highOf(next)]), -start / 4);
    return wanted > this.#features.value('DevTblSegSup');
  }

  #report(counters: CountersSpec): void {
    const { file } = this;
    const { efr, efr2 } = this.#features.registers;
    for (const group of presentGroups(this.#features)) {
      for (const { register, values } of POWER_ON[group] ?? []) file.initial(register, values);
    }
    file.initialWords(EFR.$.offset!, [lowOf(efr), highOf(efr)]);
    file.initialWords(EFR2.$.offset!, [lowOf(efr2), highOf(efr2)]);
    if (this.#features.has('PCSup')) {
      file.initial(COUNTER_CONFIGURATION, { NCounter: counters.counters, NCounterBanks: counters.banks });
    }
    for (const [feature, fields] of Object.entries(CONTROL_RESERVED_WITHOUT)) {
      if (!this.#features.has(feature as FeatureName)) file.withhold(CONTROL, fields);
    }
  }

  #attach(): void {
    const { file } = this;
    for (const { base, head, tail } of Object.values(RINGS)) {
      // Each half of the base by itself empties the ring.
      for (const half of [0, 4]) {
        file.onWrite(base.$.offset! + half, () => {
          head.set(file.words, 0);
          tail.set(file.words, 0);
        });
      }
    }
    for (const filter of SMI_FILTER) {
      const { offset, words } = filter.$;
      file.onWrite(offset!, () => file.lock(offset!, words, filter.SmiFLock.isSet(file.words)));
    }
  }
}

/** Every register that a unit has, with its place. */
export function placementsOf(features: Features, counters: CountersSpec): Placement[] {
  const registers = presentGroups(features).flatMap((group) => registersOf(group, features));
  return [
    ...registers.map((layout): Placement => ({ layout, offset: layout.$.offset! })),
    ...(features.has('PCSup') ? counterRegisters(counters) : []),
  ];
}

function isAligned(offset: number, size: number): boolean {
  return (size === 1 || size === 2 || size === 4 || size === 8) && offset >= 0 && offset % size === 0;
}

function presentGroups(features: Features): RegisterGroup[] {
  return (Object.keys(REGISTERS) as RegisterGroup[]).filter((group) => {
    if (group === 'ALWAYS') return true;
    if (group === 'BOTH_PPR_EARLY') return features.has('PprOvrflwEarlySup') && features.has('DualPprLogSup');
    return features.has(group);
  });
}

function registersOf(group: RegisterGroup, features: Features): AnyLayout[] {
  const all: readonly AnyLayout[] = REGISTERS[group];
  if (group === 'SmiFSup') return all.slice(0, 2 ** features.value('SmiFRC'));
  if (group === 'DevTblSegSup') return DEVICE_TABLE_SEGMENT.slice(0, features.deviceTableSegments - 1);
  return [...all];
}

function counterRegisters({ banks, counters }: CountersSpec): Placement[] {
  const placed: Placement[] = [];
  for (let bank = 0; bank < banks; bank++) {
    for (let counter = 0; counter < counters; counter++) {
      const at = offsetOfCounter(bank, counter);
      for (const [layout, offset] of COUNTER_REGISTERS) placed.push({ layout, offset: at + offset });
    }
  }
  return placed;
}
