/**
 * The SR-IOV capability of a physical function: how many virtual functions there are, under which routing ids, and at
 * which addresses they answer. Virtual functions are counted from 0.
 */
import type { Placement, RegisterFile } from '../../bits/index.ts';
import { type BarSpec, barAddress, barRegisters, barType } from '../base-address.ts';
import {
  ExtendedCapabilityId,
  SRIOV_CAPABILITY,
  VF_BARS,
  VF_MIGRATION_STATE,
  VF_MIGRATION_STATE_AT,
} from '../spec/index.ts';
import { Capability } from './capability.ts';
import type { VirtualCapabilitySpecs } from './specs.ts';

export interface SriovSpec {
  /** Virtual functions that there can be. */
  readonly totalVfs: number;
  /** From the routing id of this function to that of the first virtual one. */
  readonly firstOffset: number;
  /** From one virtual function to the next. */
  readonly stride: number;
  /** Device ID of the virtual functions. */
  readonly device: number;
  /** What one virtual function has; each size is at least 4 KiB. */
  readonly bars: readonly BarSpec[];
  /** What each virtual function has. */
  readonly capabilities?: VirtualCapabilitySpecs;
}

const PAGE_BYTES = 4096;
/** 4 KiB, 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB: every implementation has these. */
const PAGE_SIZES = 0x553;
const CONTROL_AT = 0x08;
const NUM_VFS_AT = 0x10;
const PAGE_SIZE_AT = 0x20;

export class SriovCapability extends Capability<typeof SRIOV_CAPABILITY> {
  readonly spec: SriovSpec;
  /** Told how many virtual functions there are from now on. */
  onVfs: ((count: number) => void) | null = null;
  readonly #onDecode: () => void;
  readonly #onVanish: (() => void)[] = [];
  #vfs = 0;

  /** `onDecode` is told when virtual functions answer at other addresses. */
  constructor(spec: SriovSpec, onDecode: () => void) {
    const { totalVfs, firstOffset, stride, device, bars } = spec;
    if (bars.some(({ size }) => size < PAGE_BYTES)) throw new RangeError('a VF base address is of less than 4 KiB');
    super({
      extended: true,
      id: ExtendedCapabilityId.SINGLE_ROOT_IO_VIRTUALIZATION,
      layout: SRIOV_CAPABILITY,
      initial: {
        INITIAL_VFS: totalVfs,
        TOTAL_VFS: totalVfs,
        FIRST_VF_OFFSET: firstOffset,
        VF_STRIDE: stride,
        VF_DEVICE_ID: device,
        SUPPORTED_PAGE_SIZES: PAGE_SIZES,
        SYSTEM_PAGE_SIZE: 1,
      },
    });
    this.spec = spec;
    this.#onDecode = onDecode;
  }

  override get bytes(): number {
    return VF_MIGRATION_STATE_AT + VF_MIGRATION_STATE.$.words * 4;
  }

  override placements(offset: number): Placement[] {
    const bars = this.spec.bars.flatMap((bar) => barRegisters(bar, offset + VF_BARS));
    const migration = { layout: VF_MIGRATION_STATE, offset: offset + VF_MIGRATION_STATE_AT };
    return [{ layout: SRIOV_CAPABILITY, offset }, ...bars, migration];
  }

  /** Virtual functions that there are: 0 while VF Enable is 0. */
  get vfs(): number {
    return this.#vfs;
  }

  /** A virtual function is told whenever it is no longer there: if it comes again, it is a new one. */
  onVanish(act: () => void): void {
    this.#onVanish.push(act);
  }

  get enabled(): boolean {
    return this.isSet(SRIOV_CAPABILITY.VF_ENABLE);
  }

  /** VF Memory Space Enable. */
  get memoryEnabled(): boolean {
    return this.isSet(SRIOV_CAPABILITY.VF_MEMORY_SPACE_ENABLE);
  }

  get numVfs(): number {
    return this.get(SRIOV_CAPABILITY.NUM_VFS);
  }

  /** Virtual functions may have function numbers above 7. */
  get ariHierarchy(): boolean {
    return this.isSet(SRIOV_CAPABILITY.ARI_CAPABLE_HIERARCHY);
  }

  /** The routing id of a virtual function, from that of this function. It may lie on another bus. */
  routingId(physical: number, vf: number): number {
    return (physical + this.spec.firstOffset + vf * this.spec.stride) & 0xffff;
  }

  /** Where `bar` of a virtual function answers, or -1 when it does not. */
  barAt(vf: number, bar: BarSpec): number {
    if (vf >= this.#vfs || !this.memoryEnabled) return -1;
    return barAddress(this.file.words, this.offset + VF_BARS, bar) + vf * this.#aperture(bar);
  }

  override place(file: RegisterFile, offset: number, next: number): void {
    super.place(file, offset, next);
    for (const bar of this.spec.bars) file.initialWords(offset + VF_BARS + bar.index * 4, [barType(bar)]);
  }

  override reset(): void {
    this.#count();
  }

  protected override wire(): void {
    this.onWrite(CONTROL_AT, () => this.#count());
    this.onWrite(PAGE_SIZE_AT, () => this.#choosePageSize());
    for (const bar of this.spec.bars) {
      for (let n = 0; n < (bar.wide ? 2 : 1); n++) this.onWrite(VF_BARS + (bar.index + n) * 4, () => this.#moved(bar));
    }
  }

  /** NumVFs and System Page Size are fixed while VF Enable is 1. */
  #count(): void {
    const { enabled } = this;
    const vfs = enabled ? Math.min(this.numVfs, this.spec.totalVfs) : 0;
    this.file.lock(this.offset + NUM_VFS_AT, 1, enabled);
    this.file.lock(this.offset + PAGE_SIZE_AT, 1, enabled);
    const changed = vfs !== this.#vfs;
    this.#vfs = vfs;
    if (changed && vfs === 0) for (const act of this.#onVanish) act();
    if (changed) this.onVfs?.(vfs);
    this.#onDecode();
  }

  /** What is no single supported size is taken for 4 KiB. */
  #choosePageSize(): void {
    const chosen = this.get(SRIOV_CAPABILITY.SYSTEM_PAGE_SIZE);
    const isOne = (chosen & (chosen - 1)) === 0 && (chosen & PAGE_SIZES) !== 0;
    if (!isOne) this.set(SRIOV_CAPABILITY.SYSTEM_PAGE_SIZE, 1);
    for (const bar of this.spec.bars) this.#moved(bar);
  }

  /** A base address is aligned to what one virtual function takes, which is how software learns it. */
  #moved(bar: BarSpec): void {
    const at = (this.offset + VF_BARS) / 4 + bar.index;
    const below = Math.min(this.#aperture(bar), 2 ** 32) - 1;
    this.file.words[at] = (this.file.words[at]! & ~below) | barType(bar);
    this.#onDecode();
  }

  /** Bytes from one virtual function's range to the next one's. */
  #aperture(bar: BarSpec): number {
    return Math.max(bar.size, this.get(SRIOV_CAPABILITY.SYSTEM_PAGE_SIZE) * PAGE_BYTES);
  }
}
