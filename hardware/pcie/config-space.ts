/**
 * The configuration space of one function: a header of type 0 or 1 and the capabilities that its spec names. It stores and
 * gates; what the function does when something is allowed is the function's.
 *
 * Surface: `read` and `write` of 1 to 4 bytes; the decoded `busMaster`, `barAt`, `maxPayload`, `maxReadRequest`; each
 * capability, or `null`; `report` of errors; `onDecode`, called when software moves or enables addresses or buses; `onFlr`;
 * three resets.
 *
 * Inaccuracies: a reset takes no time. The bus number that a function captures is not kept here.
 */
import { maskOf, type Placement, RegisterFile } from '../bits/index.ts';
import { type BarSpec, barAddress } from './base-address.ts';
import { BridgeHeader } from './bridge-header.ts';
import {
  type AcsCapability,
  type AerCapability,
  type AriCapability,
  type AtsCapability,
  arrange,
  buildCapabilities,
  type Capability,
  type CapabilitySet,
  type FoundError,
  link,
  type MessageSource,
  type MsiCapability,
  type MsixCapability,
  type PasidCapability,
  type PciExpressCapability,
  type PowerManagementCapability,
  type PriCapability,
  reportError,
  SlotCapability,
  type SriovCapability,
} from './capabilities/index.ts';
import { fillHeader, hasBridgeHeader, headerRegisters } from './config-header.ts';
import type { ConfigSpec } from './config-spec.ts';
import { barOffset, COMMAND_STATUS, CONFIG_BYTES, ErrorMessage, HEADER_TYPE, PowerState } from './spec/index.ts';

/** Which virtual function this is, of which physical one. */
export interface VirtualPlace {
  readonly physical: ConfigSpace;
  readonly index: number;
}

const STICKY: ReadonlySet<string> = new Set(['ROS', 'RWS', 'RW1CS']);
const WORD_BYTES = 4;
/** What a function without a PCI Express capability keeps to. */
const CONVENTIONAL_PAYLOAD = 128;

export class ConfigSpace implements CapabilitySet {
  readonly spec: ConfigSpec;
  /** Its registers and where they are, for those who decode. */
  readonly registers: readonly Placement[];
  /** Called after software changed a base address, a window, a bus number or Memory Space Enable. */
  onDecode: (() => void) | null = null;
  /** Called after a function-level reset of the registers: also by leaving D3hot, and when a virtual function vanishes. */
  onFlr: (() => void) | null = null;
  /** Of a type 1 header. */
  readonly bridge: BridgeHeader | null;
  readonly pciExpress: PciExpressCapability | null;
  readonly powerManagement: PowerManagementCapability | null;
  readonly msi: MsiCapability | null;
  readonly msix: MsixCapability | null;
  readonly aer: AerCapability | null;
  readonly acs: AcsCapability | null;
  readonly ari: AriCapability | null;
  readonly sriov: SriovCapability | null;
  readonly ats: AtsCapability | null;
  readonly pri: PriCapability | null;
  readonly pasid: PasidCapability | null;
  readonly #virtual: VirtualPlace | null;
  readonly #own: readonly Capability[];
  readonly #file: RegisterFile;
  /** Bits that survive every reset but that by power, and those that survive a function-level reset beside them. */
  readonly #sticky: Uint32Array;
  readonly #keptByFlr: Uint32Array;
  #isAwake = true;

  constructor(spec: ConfigSpec, place: VirtualPlace | null = null) {
    const decoded = () => this.onDecode?.();
    const { set, own } = buildCapabilities(spec, place?.physical ?? null, decoded);
    this.spec = spec;
    this.#virtual = place;
    this.#own = own;
    this.pciExpress = set.pciExpress;
    this.powerManagement = set.powerManagement;
    this.msi = set.msi;
    this.msix = set.msix;
    this.aer = set.aer;
    this.acs = set.acs;
    this.ari = set.ari;
    this.sriov = set.sriov;
    this.ats = set.ats;
    this.pri = set.pri;
    this.pasid = set.pasid;

    const lists = [arrange(own, false), arrange(own, true)] as const;
    const placed = lists.flat();
    this.registers = [
      ...headerRegisters(spec, place !== null),
      ...placed.flatMap(({ capability, offset }) => capability.placements(offset)),
    ];
    const file = new RegisterFile(CONFIG_BYTES, this.registers);
    this.#file = file;
    fillHeader(file, spec, lists[0][0]?.offset ?? 0, place !== null);
    for (const list of lists) link(file, list);
    this.#sticky = masks(this.registers, ({ spec: { access } }) => STICKY.has(access));
    const kept = placed.map(({ capability, offset }) => ({ layout: capability.shape.layout, offset }));
    const keptFields = new Set(own.flatMap(({ keptByFlr }) => keptByFlr));
    this.#keptByFlr = masks(kept, (field) => keptFields.has(field)).map((mask, i) => mask | this.#sticky[i]!);

    file.onWrite(COMMAND_STATUS.$.offset!, () => {
      this.bridge?.refresh();
      decoded();
    });
    const bars = place === null ? spec.bars : [];
    for (const { index, wide } of bars) {
      for (let n = 0; n < (wide ? 2 : 1); n++) file.onWrite(barOffset(index + n), decoded);
    }
    this.bridge = hasBridgeHeader(spec) ? new BridgeHeader(file, decoded) : null;
    this.describePlace(0, 0, false);
    place?.physical.sriov?.onVanish(() => {
      this.reset();
      this.onFlr?.();
    });
    if (this.pciExpress !== null) this.pciExpress.onFlr = () => this.functionLevelReset();
    if (this.powerManagement !== null) this.powerManagement.onChange = (before) => this.#powerChanged(before);
  }

  /** Sets what the function says of its link and of its neighbours on the device, before software has written anything. */
  describePlace(generation: number, width: number, multiFunction: boolean): void {
    this.#file.initial(HEADER_TYPE, {
      LAYOUT: this.bridge === null ? 0 : 1,
      MULTI_FUNCTION: multiFunction ? 1 : 0,
    });
    this.pciExpress?.describeLink(generation, width);
  }

  /** The bytes at `offset` that lie in one word; what crosses words reaches no function and reads 0. */
  read(offset: number, size: number): number {
    return isInWord(offset, size) ? this.#file.readBytes(offset, size) : 0;
  }

  write(offset: number, size: number, value: number): void {
    if (isInWord(offset, size)) this.#file.writeBytes(offset, size, value);
  }

  /** A virtual function is there when its physical one says so; any other is always there. */
  get isPresent(): boolean {
    return this.#virtual === null || this.#virtual.index < this.#virtual.physical.sriov!.vfs;
  }

  /** The function may issue memory requests, MSIs among them. */
  get busMaster(): boolean {
    return this.#isAwake && COMMAND_STATUS.BUS_MASTER.isSet(this.#file.words);
  }

  /** The address that `bar` answers at, or -1 while it does not. */
  barAt(bar: BarSpec): number {
    if (!this.#isAwake) return -1;
    if (this.#virtual !== null) return this.#virtual.physical.sriov!.barAt(this.#virtual.index, bar);
    const { words } = this.#file;
    return COMMAND_STATUS.MEMORY_SPACE.isSet(words) ? barAddress(words, barOffset(0), bar) : -1;
  }

  /** Largest payload that the function may send, in bytes. */
  get maxPayload(): number {
    return this.pciExpress === null ? CONVENTIONAL_PAYLOAD : this.pciExpress.maxPayload;
  }

  /** Largest read that the function may request, in bytes. */
  get maxReadRequest(): number {
    return this.pciExpress === null ? CONVENTIONAL_PAYLOAD : this.pciExpress.maxReadRequest;
  }

  /** What the function answers has ID-Based Ordering. */
  get ordersCompletionsById(): boolean {
    return this.pciExpress?.ordersCompletionsById === true;
  }

  /** The PCI Express capability of a port with a slot. */
  get slot(): SlotCapability | null {
    return this.pciExpress instanceof SlotCapability ? this.pciExpress : null;
  }

  /** How the function interrupts: MSI-X before MSI; `null` while neither is enabled. */
  get interrupts(): MessageSource | null {
    if (this.msix?.enabled) return this.msix;
    return this.msi?.enabled ? this.msi : null;
  }

  /** A request of this function ended with UR (`abort` false) or CA (true). */
  noteFailedRequest(abort: boolean): void {
    this.#note(abort ? COMMAND_STATUS.RECEIVED_TARGET_ABORT : COMMAND_STATUS.RECEIVED_MASTER_ABORT);
  }

  /** This function completed a request with CA. */
  noteCompleterAbort(): void {
    this.#note(COMMAND_STATUS.SIGNALED_TARGET_ABORT);
  }

  /** The function found an error. Gives the message code to send to the root complex, or `ErrorMessage.NONE`. */
  report(found: FoundError): number {
    if (this.pciExpress === null) return ErrorMessage.NONE;
    const serrEnabled = COMMAND_STATUS.SERR_ENABLE.isSet(this.#file.words);
    const message = reportError(found, { pciExpress: this.pciExpress, aer: this.aer, serrEnabled });
    const isUncorrectable = message === ErrorMessage.FATAL || message === ErrorMessage.NON_FATAL;
    if (isUncorrectable && serrEnabled) this.#note(COMMAND_STATUS.SIGNALED_SYSTEM_ERROR);
    return message;
  }

  /** Back to the state after power-on. */
  reset(): void {
    this.#restart(null);
  }

  /** What a reset of the link or of the bus above does: sticky bits stay. */
  conventionalReset(): void {
    this.#restart(this.#sticky);
  }

  /** As Initiate Function Level Reset does: what is sticky stays, and what belongs to the link. */
  functionLevelReset(): void {
    this.#restart(this.#keptByFlr);
    this.onFlr?.();
  }

  #note(field: (typeof COMMAND_STATUS)['RECEIVED_TARGET_ABORT']): void {
    field.set(this.#file.words, 1);
  }

  #restart(kept: Uint32Array | null): void {
    const before = kept === null ? null : this.#file.words.slice();
    this.#file.reset();
    if (before !== null) {
      const { words } = this.#file;
      for (let i = 0; i < words.length; i++) words[i] = (words[i]! & ~kept![i]!) | (before[i]! & kept![i]!);
    }
    this.#isAwake = true;
    for (const capability of this.#own) capability.reset();
    this.bridge?.refresh();
    this.onDecode?.();
  }

  #powerChanged(before: number): void {
    const { state, noSoftReset } = this.powerManagement!;
    this.#isAwake = state === PowerState.D0;
    if (before === PowerState.D3_HOT && !noSoftReset) this.functionLevelReset();
    else this.onDecode?.();
  }
}

/** True for 1 to 4 bytes of one word of configuration space. */
function isInWord(offset: number, size: number): boolean {
  const isInside = Number.isInteger(offset) && offset >= 0 && offset < CONFIG_BYTES;
  return isInside && size >= 1 && (offset % WORD_BYTES) + size <= WORD_BYTES;
}

/** The bits of the fields that `select` accepts, for every word of configuration space. */
function masks(registers: readonly Placement[], select: Parameters<typeof maskOf>[1]): Uint32Array {
  const all = new Uint32Array(CONFIG_BYTES / WORD_BYTES);
  for (const { layout, offset } of registers) all.set(maskOf(layout, select), offset / WORD_BYTES);
  return all;
}
