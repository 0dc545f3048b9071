/**
 * What VER, CAP, ECAP and the host address width make of a unit: the registers' fields under their own names, and the
 * values that follow from them. Behaviour asks here and nowhere else what the unit can do.
 */
import { highOf, lowOf } from '../bits/index.ts';
import type { FirstStageRules, SecondStageRules } from '../formats/index.ts';
import { CAP, ECAP, VER } from './spec/index.ts';

export interface CapabilityRegisters {
  readonly ver: bigint;
  readonly cap: bigint;
  readonly ecap: bigint;
}

type FlagName = Exclude<keyof typeof CAP | keyof typeof ECAP, '$'>;

/** Major versions from which behaviour differs (VT-d 11.4.1 and where each names it). */
const REVISION = {
  /** IOTLB invalidations always drain; DR and DW are ignored. */
  ALWAYS_DRAINS: 2,
  /** Protected memory regions block what is remapped too (11.4.8.1). */
  PROTECTS_REMAPPED: 2,
  /** Invalidation through registers always fails. */
  NO_REGISTER_INVALIDATION: 6,
  /** Without ERS, a request that asks for execution is refused before any table is read. */
  REFUSES_EXECUTE: 8,
} as const;

export class Capabilities {
  readonly registers: CapabilityRegisters;
  readonly hostAddressWidth: number;
  readonly major: number;
  /** Width of a domain id in bits. */
  readonly domainBits: number;
  /** Widest guest address in bits. */
  readonly guestAddressWidth: number;
  /** Byte offsets in the register page. */
  readonly faultRecordOffset: number;
  readonly iotlbRegisterOffset: number;
  readonly faultRecords: number;
  /** Largest address mask of a page-selective IOTLB invalidation. */
  readonly maxAddressMask: number;
  readonly largePages: number;
  /** Largest PASID that a request may carry. */
  readonly lastPasid: number;
  readonly registerInvalidation: boolean;
  readonly alwaysDrains: boolean;
  readonly refusesExecute: boolean;
  readonly protectsRemapped: boolean;
  /** Every field of CAP and ECAP. */
  readonly #fields: Readonly<Record<string, number>>;

  constructor(registers: CapabilityRegisters, hostAddressWidth: number) {
    const ver = halves(registers.ver);
    const cap = halves(registers.cap);
    const ecap = halves(registers.ecap);
    this.registers = registers;
    this.hostAddressWidth = hostAddressWidth;
    this.#fields = { ...fieldsOf(CAP, cap), ...fieldsOf(ECAP, ecap) };
    this.major = VER.MAX.get(ver, 0);
    this.domainBits = 4 + 2 * this.value('ND');
    this.guestAddressWidth = this.value('MGAW') + 1;
    this.faultRecordOffset = this.value('FRO') * 16;
    this.iotlbRegisterOffset = this.value('IRO') * 16;
    this.faultRecords = this.value('NFR') + 1;
    this.maxAddressMask = this.value('MAMV');
    this.largePages = this.value('SSLPS');
    this.lastPasid = 2 ** (this.value('PSS') + 1) - 1;
    this.registerInvalidation = this.major < REVISION.NO_REGISTER_INVALIDATION;
    this.alwaysDrains = this.major >= REVISION.ALWAYS_DRAINS;
    this.refusesExecute = this.major >= REVISION.REFUSES_EXECUTE && !this.has('ERS');
    this.protectsRemapped = this.major >= REVISION.PROTECTS_REMAPPED;
  }

  /** The status of a switch waits for the memory requests before it. */
  get drains(): boolean {
    return this.alwaysDrains || this.has('DRD') || this.has('DWD');
  }

  /** True when a one-bit field of CAP or ECAP is set. */
  has(name: FlagName): boolean {
    return this.value(name) !== 0;
  }

  value(name: FlagName): number {
    return this.#fields[name]!;
  }

  /** Levels of the second-stage walk that an address-width code point asks for, or 0 when the unit does not have it. */
  levelsFor(addressWidth: number): number {
    const supported = addressWidth >= 1 && addressWidth <= 3 && (this.value('SAGAW') >>> addressWidth) & 1;
    return supported ? addressWidth + 2 : 0;
  }

  /** What decides which bits of paging entries are reserved. */
  get firstStageRules(): FirstStageRules {
    return { hostAddressWidth: this.hostAddressWidth, gigabytePages: this.has('FS1GP') };
  }

  get secondStageRules(): SecondStageRules {
    const { hostAddressWidth, largePages } = this;
    return { hostAddressWidth, largePages, snoopControl: this.has('SC') };
  }

  /** Bits of the largest AGAW; without a second stage, of the widest first-stage address. */
  get widestAddress(): number {
    return this.widest < 0 ? 12 + 9 * (this.has('FS5LP') ? 5 : 4) : 30 + 9 * this.widest;
  }

  /** The largest address-width code point that the unit has. */
  get widest(): number {
    return 31 - Math.clz32(this.value('SAGAW') & 0b1110);
  }
}

function halves(value: bigint): Uint32Array {
  return new Uint32Array([lowOf(value), highOf(value)]);
}

function fieldsOf(of: typeof CAP | typeof ECAP, words: Uint32Array): Record<string, number> {
  const at = -of.$.offset! / 4;
  return Object.fromEntries(of.$.fields.map((field) => [field.name, field.get(words, at)]));
}
