/**
 * The PCI function that the unit is: a header without base addresses, the capability block by which software finds the
 * registers, an MSI capability, and HyperTransport's MSI mapping.
 *
 * Needs: the unit's registers, some of which are copies of words in here. Offers: `readConfig`, `writeConfig`; where the
 * registers are; the MSI capability as the unit's own interrupts use it.
 *
 * Inaccuracies: Bus Master Enable does not hold MSIs back, since drivers of this function do not set it.
 */
import { type AnyLayout, encode, type Placement, RegisterFile, type Values } from '../bits/index.ts';
import {
  CAPABILITIES_POINTER,
  CapabilityId,
  CLASS_REVISION,
  COMMAND_STATUS,
  CONFIG_BYTES,
  HEADER_TYPE,
  IDENTITY,
  INTERRUPT,
  MSI_CAPABILITY,
  SUBSYSTEM,
} from '../pcie/index.ts';
import type { Features } from './features.ts';
import type { MsiCapability } from './own-interrupts.ts';
import {
  BASE_ADDRESS_HIGH,
  BASE_ADDRESS_LOW,
  CAPABILITY_BLOCK,
  CAPABILITY_HEADER,
  HT_CAPABILITY_ID,
  HT_MSI_MAPPING,
  IOMMU_CLASS_CODE,
  MISC_INFO_0,
  MISC_INFO_1,
  MSI_ADDRESS_HIGH,
  MSI_ADDRESS_LOW,
  MSI_CAPABILITY_HEADER,
  MSI_DATA,
  MSI_MAPPING,
  MSI_VECTOR_0,
  MSI_VECTOR_1,
  RANGE,
} from './spec/index.ts';

/** Not architectural. */
export interface FunctionSpec {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** log2 of the MSI vectors that the function can use: 0 to 5. */
  readonly msiVectorsLog2: number;
  /** What the capability says of the devices that the unit serves; reserved fields 0. */
  readonly range: Values<typeof RANGE>;
}

export const FUNCTION: FunctionSpec = { vendor: 0x1022, device: 0x1451, revision: 0, msiVectorsLog2: 2, range: {} };

/** Where the capabilities stand. */
export const IOMMU_CAPABILITY_AT = 0x40;
export const MSI_AT = 0x64;
export const MSI_MAPPING_AT = 0x74;

const WORD = 4;
const BLOCK_BYTES = CAPABILITY_BLOCK.length * WORD;
const HEADERS: readonly AnyLayout[] = [
  IDENTITY,
  COMMAND_STATUS,
  CLASS_REVISION,
  HEADER_TYPE,
  SUBSYSTEM,
  CAPABILITIES_POINTER,
  INTERRUPT,
];
/** A unit with counters needs 512 KiB, which its address is aligned to. */
const RESERVED_BASE_BITS_WITH_COUNTERS = 0x7_c000;

/** Words of configuration space that registers are copies of (EFR.MsiCapMmioSup). */
const COPIES: readonly (readonly [config: number, register: AnyLayout])[] = [
  [placeInBlock(MISC_INFO_0), MSI_VECTOR_0],
  [placeInBlock(MISC_INFO_1), MSI_VECTOR_1],
  [MSI_AT, MSI_CAPABILITY_HEADER],
  [MSI_AT + WORD, MSI_ADDRESS_LOW],
  [MSI_AT + 2 * WORD, MSI_ADDRESS_HIGH],
  [MSI_AT + 3 * WORD, MSI_DATA],
  [MSI_MAPPING_AT, MSI_MAPPING],
];

export class IommuFunction implements MsiCapability {
  readonly #file: RegisterFile;
  readonly #spec: FunctionSpec;

  /** `registers` are the unit's. */
  constructor(features: Features, registers: RegisterFile, spec = FUNCTION) {
    this.#spec = spec;
    this.#file = new RegisterFile(CONFIG_BYTES, [
      ...HEADERS,
      ...blockOf(features),
      { layout: MSI_CAPABILITY, offset: MSI_AT },
      { layout: MSI_MAPPING, offset: MSI_MAPPING_AT },
    ]);
    this.#report(features);
    if (features.has('PCSup'))
      this.#file.withholdBits(placeInBlock(BASE_ADDRESS_LOW), RESERVED_BASE_BITS_WITH_COUNTERS);
    this.#file.onWrite(placeInBlock(BASE_ADDRESS_LOW), () => this.#lockBase());
    if (features.has('MsiCapMmioSup')) this.#copy(registers);
  }

  /** The `size` bytes at `offset`: 1, 2 or 4, aligned to their size. All other accesses read 0. */
  readConfig(offset: number, size: number): number {
    return isAligned(offset, size) ? this.#file.readBytes(offset, size) : 0;
  }

  /** The capability block takes whole words only. */
  writeConfig(offset: number, size: number, value: number): void {
    const inBlock = offset >= IOMMU_CAPABILITY_AT && offset < IOMMU_CAPABILITY_AT + BLOCK_BYTES;
    if (isAligned(offset, size) && (size === WORD || !inBlock)) this.#file.writeBytes(offset, size, value);
  }

  /** The address of the registers, or -1 while Enable is 0. */
  get base(): number {
    const { words } = this.#file;
    const low = placeInBlock(BASE_ADDRESS_LOW) / WORD;
    if (!BASE_ADDRESS_LOW.Enable.isSet(words, low)) return -1;
    const high = BASE_ADDRESS_HIGH.BaseAddressHi.get(words, placeInBlock(BASE_ADDRESS_HIGH) / WORD);
    return high * 2 ** 32 + BASE_ADDRESS_LOW.BaseAddressLo.address(words, low);
  }

  get isEnabled(): boolean {
    return MSI_CAPABILITY.ENABLE.isSet(this.#file.words, MSI_AT / WORD);
  }

  get hi(): number {
    return MSI_CAPABILITY.ADDRESS_HIGH.get(this.#file.words, MSI_AT / WORD) | 0;
  }

  get lo(): number {
    return (MSI_CAPABILITY.ADDRESS.get(this.#file.words, MSI_AT / WORD) << 2) | 0;
  }

  /** The data of a vector's message: its number replaces the low bits, as many as software allows. */
  dataOf(vector: number): number {
    const { words } = this.#file;
    const at = MSI_AT / WORD;
    const allowed = Math.min(MSI_CAPABILITY.MULTIPLE_MESSAGE_ENABLE.get(words, at), this.#spec.msiVectorsLog2);
    const mask = 2 ** allowed - 1;
    return (MSI_CAPABILITY.DATA.get(words, at) & ~mask) | (vector & mask);
  }

  /** A request was terminated with a target abort. */
  noteTargetAbort(): void {
    COMMAND_STATUS.SIGNALED_TARGET_ABORT.set(this.#file.words, 1);
  }

  /** Back to the state after power-on; the registers are reset with the unit. */
  reset(): void {
    this.#file.reset();
  }

  #report(features: Features): void {
    const { vendor, device, revision, msiVectorsLog2, range } = this.#spec;
    const { capHeader, miscInfo0, miscInfo1 } = features.registers;
    const file = this.#file;
    file.initial(IDENTITY, { VENDOR_ID: vendor, DEVICE_ID: device });
    file.initial(COMMAND_STATUS, { CAPABILITIES_LIST: 1 });
    file.initial(CLASS_REVISION, { REVISION_ID: revision, CLASS_CODE: IOMMU_CLASS_CODE });
    file.initial(SUBSYSTEM, { SUBSYSTEM_VENDOR_ID: vendor, SUBSYSTEM_ID: device });
    file.initial(CAPABILITIES_POINTER, { POINTER: IOMMU_CAPABILITY_AT });
    const header = Uint32Array.of(capHeader);
    CAPABILITY_HEADER.CapPtr.set(header, MSI_AT);
    file.initialWords(placeInBlock(CAPABILITY_HEADER), [...header]);
    file.initialWords(placeInBlock(RANGE), [...encode(RANGE, range)]);
    file.initialWords(placeInBlock(MISC_INFO_0), [miscInfo0]);
    file.initialWords(placeInBlock(MISC_INFO_1), [miscInfo1]);
    const msi = encode(MSI_CAPABILITY, {
      CAPABILITY_ID: CapabilityId.MSI,
      NEXT: MSI_MAPPING_AT,
      MULTIPLE_MESSAGE_CAPABLE: msiVectorsLog2,
      ADDRESS_64: 1,
    });
    file.initialWords(MSI_AT, [...msi]);
    file.initialWords(MSI_MAPPING_AT, [
      ...encode(MSI_MAPPING, { CapID: HT_CAPABILITY_ID, En: 1, Fixed: 1, CapType: HT_MSI_MAPPING }),
    ]);
  }

  #lockBase(): void {
    const at = placeInBlock(BASE_ADDRESS_LOW);
    const isEnabled = BASE_ADDRESS_LOW.Enable.isSet(this.#file.words, at / WORD);
    if (isEnabled) this.#file.lock(at, BASE_ADDRESS_LOW.$.words + BASE_ADDRESS_HIGH.$.words, true);
  }

  /** Keeps registers and configuration space equal, whichever of them software writes. */
  #copy(registers: RegisterFile): void {
    const file = this.#file;
    for (const [config, { $ }] of COPIES) {
      registers.initialWords($.offset!, [file.read32(config)]);
      file.onWrite(config, () => {
        registers.words[$.offset! / WORD] = file.read32(config);
      });
      registers.onWrite($.offset!, () => {
        file.words[config / WORD] = registers.read32($.offset!);
      });
    }
  }
}

/** Where a word of the capability block stands in configuration space. */
export function placeInBlock(of: AnyLayout): number {
  return IOMMU_CAPABILITY_AT + CAPABILITY_BLOCK.indexOf(of) * WORD;
}

function blockOf(features: Features): Placement[] {
  const present = CAPABILITY_BLOCK.filter((layout) => layout !== MISC_INFO_1 || features.has('CapExt'));
  return present.map((layout) => ({ layout, offset: placeInBlock(layout) }));
}

function isAligned(offset: number, size: number): boolean {
  return (size === 1 || size === 2 || size === WORD) && offset >= 0 && offset % size === 0;
}
