/**
 * What the feature registers and the capability block make of a unit: their fields under their own names, and the values
 * that follow from them. Behaviour asks here and nowhere else what the unit can do.
 */
import { type AnyLayout, encode, highOf, lowOf } from '../bits/index.ts';
import {
  CAPABILITY_HEADER,
  EFR,
  EFR2,
  GVAsize,
  IOMMU_CAPABILITY_ID,
  IOMMU_CAPABILITY_REVISION,
  IOMMU_CAPABILITY_TYPE,
  MISC_INFO_0,
  MISC_INFO_1,
} from './spec/index.ts';

export type FeatureName = Exclude<
  | keyof typeof EFR
  | keyof typeof EFR2
  | keyof typeof CAPABILITY_HEADER
  | keyof typeof MISC_INFO_0
  | keyof typeof MISC_INFO_1,
  '$'
>;

export interface FeatureRegisters {
  readonly efr: bigint;
  readonly efr2?: bigint;
  readonly capHeader?: number;
  readonly miscInfo0?: number;
  readonly miscInfo1?: number;
}

/** The capability header of a unit that has an Extended Feature register and serves devices with IOTLBs. */
export const CAPABILITY_HEADER_DEFAULT = encode(CAPABILITY_HEADER, {
  CapID: IOMMU_CAPABILITY_ID,
  CapType: IOMMU_CAPABILITY_TYPE,
  CapRev: IOMMU_CAPABILITY_REVISION,
  IotlbSup: 1,
  EFRSup: 1,
  CapExt: 1,
})[0]!;

export const MISC_INFO_0_DEFAULT = encode(MISC_INFO_0, { GVAsize: GVAsize.BITS_48, PAsize: 52, VAsize: 64 })[0]!;

export const HOST_ADDRESS_WIDTH_DEFAULT = 52;

/** EFR.HATS: the unit walks no host tables. */
const NO_HOST_TABLES = 3;
/** The DTE can ask for guest tables of four or five levels, and for GCR3 tables of one to three. */
const MOST_GUEST_LEVELS = 5;
const MOST_GCR3_LEVELS = 3;
const PASID_BITS = 20;
const REGISTER_BYTES = 16 * 1024;
const REGISTER_BYTES_WITH_COUNTERS = 512 * 1024;

export class Features {
  readonly registers: Required<FeatureRegisters>;
  readonly hostAddressWidth: number;
  /** Most levels of a host table: 4 to 6, or 0 when the unit walks none. */
  readonly hostLevels: number;
  /** Most levels of a guest table. */
  readonly guestLevels: number;
  /** Most levels of a GCR3 table. */
  readonly gcr3Levels: number;
  /** Largest PASID that a request may carry. */
  readonly lastPasid: number;
  /** Most segments of the device table. */
  readonly deviceTableSegments: number;
  /** Size of the register page. */
  readonly registerBytes: number;
  readonly #fields: Readonly<Record<string, number>>;

  constructor(given: FeatureRegisters, hostAddressWidth = HOST_ADDRESS_WIDTH_DEFAULT) {
    const capHeader = given.capHeader ?? CAPABILITY_HEADER_DEFAULT;
    const header = fieldsOf(CAPABILITY_HEADER, BigInt(capHeader));
    // What the header denies does not exist, whatever stands there.
    const extended = header['EFRSup'] !== 0;
    this.registers = {
      efr: extended ? given.efr : 0n,
      efr2: extended ? (given.efr2 ?? 0n) : 0n,
      capHeader,
      miscInfo0: given.miscInfo0 ?? MISC_INFO_0_DEFAULT,
      miscInfo1: header['CapExt'] !== 0 ? (given.miscInfo1 ?? 0) : 0,
    };
    const { efr, efr2, miscInfo0, miscInfo1 } = this.registers;
    this.#fields = {
      ...header,
      ...fieldsOf(EFR, efr),
      ...fieldsOf(EFR2, efr2),
      ...fieldsOf(MISC_INFO_0, BigInt(miscInfo0)),
      ...fieldsOf(MISC_INFO_1, BigInt(miscInfo1)),
    };
    this.hostAddressWidth = hostAddressWidth;
    this.hostLevels = this.value('HATS') === NO_HOST_TABLES ? 0 : this.value('HATS') + 4;
    this.guestLevels = Math.min(this.value('GATS') + 4, MOST_GUEST_LEVELS);
    this.gcr3Levels = Math.min(this.value('GLXSup') + 1, MOST_GCR3_LEVELS);
    this.lastPasid = 2 ** Math.min(this.value('PASMax') + 1, PASID_BITS) - 1;
    this.deviceTableSegments = 2 ** this.value('DevTblSegSup');
    this.registerBytes = this.has('PCSup') ? REGISTER_BYTES_WITH_COUNTERS : REGISTER_BYTES;
  }

  /** True when a field is not 0: the unit has what it stands for. */
  has(name: FeatureName): boolean {
    return this.value(name) !== 0;
  }

  value(name: FeatureName): number {
    return this.#fields[name]!;
  }
}

function fieldsOf(of: AnyLayout, value: bigint): Record<string, number> {
  const words = new Uint32Array([lowOf(value), highOf(value)]);
  const at = -(of.$.offset ?? 0) / 4;
  return Object.fromEntries(of.$.fields.map((field) => [field.name, field.get(words, at)]));
}
