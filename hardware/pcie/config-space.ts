/**
 * The configuration space of one function: a type 0 header, base address registers that can be sized, and the PCI
 * Express and MSI capabilities. It stores and gates; what a command bit means is in `function.ts`.
 *
 * Surface: `read` and `write` of 1, 2 or 4 bytes; the decoded `busMaster`, `barAt`, `maxPayload`, `maxReadRequest`, `msi…`;
 * `onDecode` is called when software moves or enables a base address.
 */
import { type AnyLayout, bits, type FieldSpec, type Layout, RegisterFile, register } from '../bits/index.ts';
import {
  BAR_COUNT,
  barOffset,
  CAPABILITIES_POINTER,
  CapabilityId,
  CLASS_REVISION,
  COMMAND_STATUS,
  CONFIG_BYTES,
  HEADER_TYPE,
  IDENTITY,
  INTERRUPT,
  MEMORY_BAR,
  MSI_CAPABILITY,
  PCIE_CAPABILITY,
  SizeCode,
  SUBSYSTEM,
} from './spec/index.ts';

export interface BarSpec {
  /** Index of the register, 0 to 5; with `wide` the next register holds the upper half. */
  readonly index: number;
  /** Bytes, a power of two of at least 16. */
  readonly size: number;
  /** The address has 64 bits. */
  readonly wide: boolean;
  readonly prefetchable: boolean;
}

export interface ConfigSpec {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly bars: readonly BarSpec[];
  /** Vectors that the function can use: 0 for no MSI capability, or a power of two up to 32. */
  readonly msiVectors: number;
  /** Largest payload that the function can handle: 128 to 4096 bytes. */
  readonly payloadSupported: number;
}

const PCIE_AT = 0x40;
const MSI_AT = 0x80;

export class ConfigSpace {
  readonly spec: ConfigSpec;
  /** Called after software changed a base address or Memory Space Enable. */
  onDecode: (() => void) | null = null;
  readonly #file: RegisterFile;
  readonly #pcie = placed(PCIE_CAPABILITY, PCIE_AT);
  readonly #msi = placed(MSI_CAPABILITY, MSI_AT);

  constructor(spec: ConfigSpec) {
    this.spec = spec;
    const bars = spec.bars.flatMap(barRegisters);
    const header = [IDENTITY, COMMAND_STATUS, CLASS_REVISION, HEADER_TYPE, SUBSYSTEM, CAPABILITIES_POINTER, INTERRUPT];
    const all: AnyLayout[] = [...header, ...bars, this.#pcie];
    if (spec.msiVectors > 0) all.push(this.#msi);
    const file = new RegisterFile(CONFIG_BYTES, all);
    file.initial(IDENTITY, { VENDOR_ID: spec.vendor, DEVICE_ID: spec.device });
    file.initial(COMMAND_STATUS, { CAPABILITIES_LIST: 1 });
    file.initial(CLASS_REVISION, { REVISION_ID: spec.revision, CLASS_CODE: spec.classCode });
    file.initial(SUBSYSTEM, { SUBSYSTEM_VENDOR_ID: spec.vendor, SUBSYSTEM_ID: spec.device });
    file.initial(CAPABILITIES_POINTER, { POINTER: PCIE_AT });
    for (const bar of spec.bars) {
      file.initial(register('type of a base address', barOffset(bar.index), 32, '', BAR_FIXED), {
        BAR_TYPE: bar.wide ? 2 : 0,
        PREFETCHABLE: bar.prefetchable ? 1 : 0,
      });
    }
    if (spec.msiVectors > 0) {
      file.initial(this.#msi, {
        CAPABILITY_ID: CapabilityId.MSI,
        MULTIPLE_MESSAGE_CAPABLE: log2(spec.msiVectors),
        ADDRESS_64: 1,
      });
    }
    this.#file = file;
    this.describePlace(0, 0, false);

    file.onWrite(COMMAND_STATUS.$.offset!, () => this.onDecode?.());
    for (const bar of spec.bars) {
      file.onWrite(barOffset(bar.index), () => this.onDecode?.());
      if (bar.wide) file.onWrite(barOffset(bar.index + 1), () => this.onDecode?.());
    }
  }

  /** Sets what the function says of its link and of its neighbours on the device. */
  describePlace(generation: number, width: number, multiFunction: boolean): void {
    this.#file.initial(HEADER_TYPE, { MULTI_FUNCTION: multiFunction ? 1 : 0 });
    this.#file.initial(this.#pcie, {
      CAPABILITY_ID: CapabilityId.PCI_EXPRESS,
      NEXT: this.spec.msiVectors > 0 ? MSI_AT : 0,
      VERSION: 2,
      PAYLOAD_SUPPORTED: log2(this.spec.payloadSupported / 128),
      EXTENDED_TAG_SUPPORTED: 1,
      ROLE_BASED_ERRORS: 1,
      MAX_READ_REQUEST: SizeCode.B512,
      MAX_LINK_SPEED: generation,
      MAX_LINK_WIDTH: width,
      LINK_SPEED: generation,
      LINK_WIDTH: width,
      PREFIX_SUPPORTED: 1,
    });
  }

  /** The `size` bytes at `offset`, which do not cross a word. */
  read(offset: number, size: number): number {
    return this.#file.readBytes(offset, size);
  }

  write(offset: number, size: number, value: number): void {
    this.#file.writeBytes(offset, size, value);
  }

  get busMaster(): boolean {
    return COMMAND_STATUS.BUS_MASTER.isSet(this.#file.words);
  }

  /** The address that `bar` answers at, or -1 while Memory Space Enable is off. */
  barAt(bar: BarSpec): number {
    const words = this.#file.words;
    if (!COMMAND_STATUS.MEMORY_SPACE.isSet(words)) return -1;
    const at = barOffset(bar.index) / 4;
    const low = MEMORY_BAR.ADDRESS.get(words, at) * 16;
    return bar.wide ? words[at + 1]! * 2 ** 32 + low : low;
  }

  /** Largest payload that the function may send, in bytes. */
  get maxPayload(): number {
    return 128 << this.#pcie.MAX_PAYLOAD.get(this.#file.words);
  }

  /** Largest read that the function may request, in bytes. */
  get maxReadRequest(): number {
    return 128 << this.#pcie.MAX_READ_REQUEST.get(this.#file.words);
  }

  /** Number of MSI vectors that software allows; 0 while MSI is off. */
  get msiVectors(): number {
    if (this.spec.msiVectors === 0 || !this.#msi.ENABLE.isSet(this.#file.words)) return 0;
    return Math.min(1 << this.#msi.MULTIPLE_MESSAGE_ENABLE.get(this.#file.words), this.spec.msiVectors);
  }

  get msiAddressHi(): number {
    return this.#msi.ADDRESS_HIGH.get(this.#file.words) | 0;
  }

  get msiAddressLo(): number {
    return (this.#msi.ADDRESS.get(this.#file.words) << 2) | 0;
  }

  /** The data of a vector's message: its number replaces the low bits. */
  msiData(vector: number): number {
    return (this.#msi.DATA.get(this.#file.words) & ~(this.msiVectors - 1)) | vector;
  }

  /** A request of this function ended with UR (`abort` false) or CA (true). */
  noteFailedRequest(abort: boolean): void {
    const field = abort ? COMMAND_STATUS.RECEIVED_TARGET_ABORT : COMMAND_STATUS.RECEIVED_MASTER_ABORT;
    field.set(this.#file.words, 1);
  }

  reset(): void {
    this.#file.reset();
    this.onDecode?.();
  }
}

const BAR_FIXED = { BAR_TYPE: MEMORY_BAR.BAR_TYPE.spec, PREFETCHABLE: MEMORY_BAR.PREFETCHABLE.spec };

/**
 * A base address register of this size. The address bits below the size are not declared, so they read 0 whatever is
 * written: this is the sizing protocol.
 */
function barRegisters(bar: BarSpec): AnyLayout[] {
  const { index, size, wide } = bar;
  const shift = log2(size);
  if (shift < 4 || index < 0 || index + (wide ? 2 : 1) > BAR_COUNT || (shift > 31 && !wide)) {
    throw new RangeError(`base address ${index} of ${size} bytes is not possible`);
  }
  const low: Record<string, FieldSpec> = { ...BAR_FIXED };
  if (shift < 32) low['ADDRESS'] = bits(31, shift, 'RW', 'address');
  const registers: AnyLayout[] = [register(`base address ${index}`, barOffset(index), 32, '', low)];
  if (wide) {
    const high = { ADDRESS: bits(31, Math.max(shift - 32, 0), 'RW', 'address bits 63:32') };
    registers.push(register(`base address ${index}, upper half`, barOffset(index + 1), 32, '', high));
  }
  return registers;
}

/** A layout at a place of this function's choice. */
function placed<F extends Readonly<Record<string, FieldSpec>>>(of: Layout<F>, offset: number): Layout<F> {
  const fields = Object.fromEntries(of.$.fields.map((field) => [field.name, field.spec]));
  return register(of.$.name, offset, of.$.bits, of.$.reference, fields as F);
}

function log2(powerOfTwo: number): number {
  let exponent = 0;
  while (2 ** exponent < powerOfTwo) exponent++;
  if (2 ** exponent !== powerOfTwo) throw new RangeError(`${powerOfTwo} is not a power of two`);
  return exponent;
}
