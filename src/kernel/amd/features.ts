/** What a unit can do, as its driver needs to know it (fact sheet 1.2, 1.6). */

import {
  CAPABILITY_BLOCK,
  CAPABILITY_HEADER,
  EFR,
  EFR2,
  IOMMU_CAPABILITY_ID,
  IOMMU_CAPABILITY_TYPE,
  MISC_INFO_0,
} from '../../../hardware/amdvi/spec/index.ts';
import { PAGE_SHIFT, type PageNumber, pageOf } from '../../../hardware/bits/index.ts';
import { INTERRUPT_PAGES } from '../iommu/driver.ts';
import { isAllOnes } from '../iommu/register-page.ts';

/** Bits of a PASID that one GCR3 table tells apart. */
export const GCR3_BITS = 9;
/** The driver's host tables reach 48 bits. A fifth level would cost a step of each walk, and the sixth another. */
const HOST_LEVELS = 4;
const HOST_BITS = 48;
/** EFR.HATS: the unit walks no host tables. */
const NO_HOST_TABLES = 3;
const MOST_GCR3_LEVELS = 3;
const MOST_PASID_BITS = 20;
/** HyperTransport's own addresses: what is there never reaches memory. */
const HYPERTRANSPORT_PAGES = [pageOf(0xfd_0000_0000n), pageOf(0xff_ffff_ffffn)] as const;

export interface Features {
  /** Host tables; `null` where there are none. */
  readonly host: HostFeatures | null;
  /** Guest tables, for requests with and without PASID; `null` where there are none. */
  readonly guest: GuestFeatures | null;
  readonly reserved: readonly (readonly [first: PageNumber, last: PageNumber])[];
  /** Entries that are not present may be cached. */
  readonly npCache: boolean;
  readonly invalidateAll: boolean;
  readonly deviceTlb: boolean;
  readonly pageRequests: boolean;
  /** The unit can answer page requests that find their log full. */
  readonly answersPageRequests: boolean;
}

export interface HostFeatures {
  readonly levels: number;
  readonly last: PageNumber;
  /** The unit sets dirty flags. */
  readonly dirtyFlags: boolean;
}

export interface GuestFeatures {
  readonly gcr3Levels: number;
  readonly pasidBits: number;
  readonly fiveLevels: boolean;
  /** The root of a GCR3 table can be an address that the host table translates. */
  readonly guestRoots: boolean;
}

export interface FeatureWords {
  /** The capability block in configuration space. */
  readonly block: Uint32Array;
  readonly efr: Uint32Array;
  readonly efr2: Uint32Array;
  /** Guest tables are not used. */
  readonly legacy: boolean;
  /** IVHD.HATDis */
  readonly hostTablesDenied: boolean;
}

/** The features, or why the unit cannot be used. */
export function readFeatures({ block, efr, efr2, legacy, hostTablesDenied }: FeatureWords): Features | string {
  const header = CAPABILITY_HEADER.CapID.get(block);
  if (header !== IOMMU_CAPABILITY_ID || CAPABILITY_HEADER.CapType.get(block) !== IOMMU_CAPABILITY_TYPE) {
    return 'its function has no capability block where firmware says';
  }
  if (isAllOnes(EFR, efr)) return 'nothing answers at its address';
  // What the header denies does not exist, whatever stands there.
  const [first, second] = CAPABILITY_HEADER.EFRSup.isSet(block)
    ? [efr, efr2]
    : [new Uint32Array(efr.length), new Uint32Array(efr2.length)];
  const hasHost = EFR.HATS.get(first) !== NO_HOST_TABLES && !hostTablesDenied;
  const guest = !legacy && EFR.GTSup.isSet(first) && EFR.GIoSup.isSet(first) ? readGuest(first, second) : null;
  if (!hasHost && guest === null) return 'it has neither host nor guest tables';
  const bits = Math.min(HOST_BITS, MISC_INFO_0.VAsize.get(block, CAPABILITY_BLOCK.indexOf(MISC_INFO_0)) || HOST_BITS);
  return {
    host: hasHost
      ? { levels: HOST_LEVELS, last: 2 ** (bits - PAGE_SHIFT) - 1, dirtyFlags: EFR.HDSup.isSet(first) }
      : null,
    guest,
    reserved: EFR2.HtRangeIgnore.isSet(second) ? [INTERRUPT_PAGES] : [INTERRUPT_PAGES, HYPERTRANSPORT_PAGES],
    npCache: CAPABILITY_HEADER.NpCache.isSet(block),
    invalidateAll: EFR.IASup.isSet(first),
    deviceTlb: CAPABILITY_HEADER.IotlbSup.isSet(block),
    pageRequests: guest !== null && EFR.PPRSup.isSet(first) && EFR.EPHSup.isSet(first),
    answersPageRequests: EFR.PPRAutoRspSup.isSet(first),
  };
}

/** As many levels as the PASIDs need, and no PASID that they do not reach. */
function readGuest(efr: Uint32Array, efr2: Uint32Array): GuestFeatures {
  const bits = Math.min(EFR.PASMax.get(efr) + 1, MOST_PASID_BITS);
  const most = Math.min(EFR.GLXSup.get(efr) + 1, MOST_GCR3_LEVELS);
  const gcr3Levels = Math.min(Math.ceil(bits / GCR3_BITS), most);
  return {
    gcr3Levels,
    pasidBits: Math.min(bits, gcr3Levels * GCR3_BITS),
    fiveLevels: EFR.GATS.isSet(efr),
    guestRoots: EFR2.GCR3TRPModeSup.isSet(efr2),
  };
}
