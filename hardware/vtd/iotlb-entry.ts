/** What the VT-d unit keeps in an IOTLB entry: the tags of VT-d 6.2.4 and the qualities of a translation. */
import type { Iotlb, Leaf, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, AddressType, FLAGS, FRAME_HI, FRAME_LO, isExecute, NO_PASID, RIGHTS, SHIFT } = iommu;
const { PRIVILEGED, READ } = Access;
const { TRANSLATION } = AddressType;

// Flags. The low two bits are the rights that a hit may use without a closer look: none where the page meets the
// interrupt range, and no write where a dirty flag has to be set first.
const SNOOP_FLAG = 1 << 2;
const FAULT_DISABLE = 1 << 3;
const RIGHTS_SHIFT = 4;
/** A write needs no dirty flag to be set. */
const CLEAN = 1 << 6;
/** A translation request has passed the gate of the context entry. */
const DEVICES = 1 << 7;
/** An execute request has found that it may execute. */
const EXECUTION = 1 << 8;
const KIND_SHIFT = 9;
export const NEEDS_NO_FLAG = CLEAN;
export const FOR_DEVICES = DEVICES;
export const FOR_EXECUTION = EXECUTION;
export const SNOOP = SNOOP_FLAG;

const INTERRUPT_BASE = 0xfee0_0000;
const INTERRUPT_SHIFT = 20;

/** Requester and low part of the PASID. Requests without PASID are looked up apart from all others. */
export function ownerOf({ requester, pasid }: Translation): number {
  return pasid === NO_PASID ? requester : requester | (pasid << 16);
}

/** Upper page bits; above them the upper part of the PASID, that there is one, and the privilege. */
export function pageHiOf({ hi, pasid, access }: Translation): number {
  if (pasid === NO_PASID) return hi >>> 12;
  const privileged = (access & PRIVILEGED) !== 0 ? 0b10_0000 : 0;
  return (hi >>> 12) | ((0b01_0000 | (pasid >>> 16) | privileged) << 26);
}

export function entryFlags(t: Translation, kind: number): number {
  const { leaf } = t;
  const { rights } = leaf;
  let flags = (rights << RIGHTS_SHIFT) | (kind << KIND_SHIFT);
  if (!meetsInterruptRange(leaf)) flags |= leaf.dirty === true ? rights : rights & READ;
  if (t.snoop === true) flags |= SNOOP_FLAG;
  if (t.faultDisable === true) flags |= FAULT_DISABLE;
  if (leaf.dirty === true) flags |= CLEAN;
  if (t.addressType === TRANSLATION) flags |= DEVICES;
  if (leaf.executable === true && isExecute(t)) flags |= EXECUTION;
  return flags;
}

/** PGTT of the space that the entry belongs to. */
export function kindOf(flags: number): number {
  return flags >>> KIND_SHIFT;
}

/** What the translation grants. */
export function rightsOf(flags: number): number {
  return (flags >>> RIGHTS_SHIFT) & RIGHTS;
}

/** Fills `t` from an entry. */
export function unpack({ words }: Iotlb, i: number, t: Translation): void {
  const flags = words[i + FLAGS]!;
  const { leaf } = t;
  leaf.frameHi = words[i + FRAME_HI]!;
  leaf.frameLo = words[i + FRAME_LO]!;
  leaf.shift = words[i + SHIFT]!;
  leaf.rights = rightsOf(flags);
  leaf.executable = (flags & EXECUTION) !== 0;
  leaf.snoop = (flags & SNOOP_FLAG) !== 0;
  leaf.dirty = (flags & CLEAN) !== 0;
  t.faultDisable = (flags & FAULT_DISABLE) !== 0;
}

/** Some byte of the page lies in 0xFEEx_xxxx. */
export function meetsInterruptRange({ frameHi, frameLo, shift }: Leaf): boolean {
  return frameHi === 0 && (frameLo ^ INTERRUPT_BASE) >>> (shift < INTERRUPT_SHIFT ? INTERRUPT_SHIFT : shift) === 0;
}
