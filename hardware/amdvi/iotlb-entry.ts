/**
 * What the AMD-Vi unit keeps in an IOTLB entry. Entries belong to a context, and those of guest tables to a context and a
 * PASID: devices of one domain share them.
 */
import type { Iotlb, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';
import type { GuestPage } from './guest-tables.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, FLAGS, FRAME_HI, FRAME_LO, RIGHTS, SHIFT } = iommu;

// Flags. The low two bits are the rights that a plain request may use without a closer look: no write where a dirty flag
// has to be set first, and nothing where the page is not for users or its offset is more than the low half of an address.
export const SNOOP = 1 << 2;
/** A write needs no dirty flag to be set. */
export const NEEDS_NO_FLAG = 1 << 3;
const RIGHTS_SHIFT = 4;
const USER = 1 << 6;
const EXECUTE = 1 << 7;
/** U of the host entry. */
export const UNTRANSLATED_ONLY = 1 << 8;
/** A guest table took part, over a host table. */
export const NESTED = 1 << 9;
/** The host entry was not present; only with NpCache. */
export const ABSENT = 1 << 10;

/** No guest table takes part. */
export const HOST_ONLY = -1;

/** Context, and the lower part of the PASID. */
export function ownerOf(context: number, pasid: number): number {
  return pasid === HOST_ONLY ? context : context | (pasid << 16);
}

/** Upper page bits; above them the upper part of the PASID, and that there is one. */
export function pageHiOf(hi: number, pasid: number): number {
  return pasid === HOST_ONLY ? hi >>> 12 : (hi >>> 12) | ((0b01_0000 | (pasid >>> 16)) << 26);
}

/** What is known of a page beside its place. */
export interface PageQualities extends GuestPage {
  nested: boolean;
}

/** The page of a request that no guest table serves. */
export const ANY_PAGE: Readonly<PageQualities> = { user: true, execute: true, untranslatedOnly: false, nested: false };

export function entryFlags({ leaf }: Translation, { user, execute, untranslatedOnly, nested }: PageQualities): number {
  const { rights } = leaf;
  let flags = rights << RIGHTS_SHIFT;
  if (user === true && leaf.shift < 32) flags |= leaf.dirty === true ? rights : rights & Access.READ;
  if (leaf.snoop === true) flags |= SNOOP;
  if (leaf.dirty === true) flags |= NEEDS_NO_FLAG;
  if (user === true) flags |= USER;
  if (execute === true) flags |= EXECUTE;
  if (untranslatedOnly === true) flags |= UNTRANSLATED_ONLY;
  if (nested === true) flags |= NESTED;
  return flags;
}

/** The context that an entry's owner names. */
export function contextOf(owner: number): number {
  return owner & 0xffff;
}

/** What the flags of an entry say. */
export function qualitiesOf(flags: number): Readonly<PageQualities & { rights: number }> {
  return {
    rights: (flags >>> RIGHTS_SHIFT) & RIGHTS,
    user: (flags & USER) !== 0,
    execute: (flags & EXECUTE) !== 0,
    untranslatedOnly: (flags & UNTRANSLATED_ONLY) !== 0,
    nested: (flags & NESTED) !== 0,
  };
}

/** Fills `t.leaf` and `page` from an entry. */
export function unpack({ words }: Iotlb, i: number, t: Translation, page: PageQualities): void {
  const flags = words[i + FLAGS]!;
  const { leaf } = t;
  leaf.frameHi = words[i + FRAME_HI]!;
  leaf.frameLo = words[i + FRAME_LO]!;
  leaf.shift = words[i + SHIFT]!;
  leaf.rights = (flags >>> RIGHTS_SHIFT) & RIGHTS;
  leaf.snoop = (flags & SNOOP) !== 0;
  leaf.dirty = (flags & NEEDS_NO_FLAG) !== 0;
  page.user = (flags & USER) !== 0;
  page.execute = (flags & EXECUTE) !== 0;
  page.untranslatedOnly = (flags & UNTRANSLATED_ONLY) !== 0;
  page.nested = (flags & NESTED) !== 0;
}
