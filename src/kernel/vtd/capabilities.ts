/** What a unit can do, as its driver needs to know it (VT-d 11.4.2, 11.4.3). */
import { PAGE_SHIFT, type PageNumber } from '../../../hardware/bits/index.ts';
import { AddressWidth, CAP, ECAP, VER } from '../../../hardware/vtd/spec/index.ts';
import { isAllOnes } from '../iommu/register-page.ts';
import type { Draining } from './invalidation.ts';

/** A depth of second-stage tables. */
export interface Depth {
  readonly levels: 3 | 4 | 5;
  /** CONTEXT_ENTRY.AW, and the bit of CAP.SAGAW. */
  readonly addressWidth: number;
  readonly bits: number;
}

/** In the order of preference: deeper tables cost a step, shallower ones reach less far. */
const DEPTHS: readonly Depth[] = [
  { levels: 4, addressWidth: AddressWidth.BITS_48, bits: 48 },
  { levels: 3, addressWidth: AddressWidth.BITS_39, bits: 39 },
  { levels: 5, addressWidth: AddressWidth.BITS_57, bits: 57 },
];

export interface Capabilities {
  readonly version: string;
  readonly depth: Depth;
  readonly superpages: readonly (2 | 3)[];
  /** Last I/O virtual page that can be translated. */
  readonly lastPage: PageNumber;
  /** Number of domain ids, 0 included. */
  readonly domainIds: number;
  readonly cachingMode: boolean;
  readonly writeBuffer: boolean;
  readonly snoopControl: boolean;
  readonly queued: boolean;
  /** Offset of the IOTLB registers. */
  readonly invalidationOffset: number;
  readonly draining: Draining;
  readonly pageSelective: boolean;
  readonly maxAddressMask: number;
  /** SRTP flushes the caches by itself. */
  readonly rootFlushes: boolean;
  readonly faultOffset: number;
  readonly faultRecords: number;
  readonly protectedMemory: boolean;
  /** Interrupts can be remapped as this driver does it: for 8-bit APIC ids, with a queue to invalidate. */
  readonly interruptRemapping: boolean;
  /** SIRTP flushes the cache of interrupt entries by itself. */
  readonly interruptTableFlushes: boolean;
  /** `null` without scalable mode, or without what its driver needs. */
  readonly scalable: ScalableCapabilities | null;
}

/** What scalable mode offers beside second-stage tables. */
export interface ScalableCapabilities {
  readonly firstStage: boolean;
  readonly secondStage: boolean;
  readonly nested: boolean;
  readonly passThrough: boolean;
  /** First-stage tables may have 5 levels. */
  readonly fiveLevels: boolean;
  /** Levels above 1 at which first-stage tables may end. */
  readonly firstStageSuperpages: readonly (2 | 3)[];
  /** Bits of a PASID; 0 when requests cannot carry one. */
  readonly pasidBits: number;
  /** Walks can be made to snoop. */
  readonly walkSnoop: boolean;
  readonly deviceTlb: boolean;
  /** Device-TLB invalidations name the physical function. */
  readonly throttles: boolean;
  readonly pageRequests: boolean;
  readonly pageRequestDrain: boolean;
  readonly hostPermissions: boolean;
  /** Accessed and dirty flags of the second stage, which walks that do not snoop cannot set. */
  readonly secondStageFlags: boolean;
}

/** Registers-based invalidation is gone from this major version on. */
const QUEUE_ONLY_SINCE = 6;

interface Read {
  readonly ver: Uint32Array;
  readonly cap: Uint32Array;
  readonly ecap: Uint32Array;
}

/** The capabilities, or why the unit cannot be used. */
export function readCapabilities({ ver, cap, ecap }: Read): Capabilities | string {
  if (isAllOnes(CAP, cap) && isAllOnes(ECAP, ecap)) return 'nothing answers at its address';
  const sagaw = CAP.SAGAW.get(cap);
  const depth = DEPTHS.find(({ addressWidth }) => (sagaw & (1 << addressWidth)) !== 0);
  if (depth === undefined) return 'it supports no depth of second-stage tables';
  const queued = ECAP.QI.isSet(ecap);
  const major = VER.MAX.get(ver);
  if (!queued && major >= QUEUE_ONLY_SINCE) return 'it has no way to invalidate';
  const pages = CAP.SSLPS.get(cap);
  return {
    version: `${major}.${VER.MIN.get(ver)}`,
    depth,
    superpages: ([2, 3] as const).filter((level) => (pages & (1 << (level - 2))) !== 0),
    lastPage: 2 ** (Math.min(CAP.MGAW.get(cap) + 1, depth.bits) - PAGE_SHIFT) - 1,
    domainIds: 2 ** (4 + 2 * CAP.ND.get(cap)),
    cachingMode: CAP.CM.isSet(cap),
    writeBuffer: CAP.RWBF.isSet(cap),
    snoopControl: ECAP.SC.isSet(ecap),
    queued,
    invalidationOffset: ECAP.IRO.get(ecap) * 16,
    draining: { reads: CAP.DRD.isSet(cap), writes: CAP.DWD.isSet(cap) },
    pageSelective: CAP.PSI.isSet(cap),
    maxAddressMask: CAP.MAMV.get(cap),
    rootFlushes: CAP.ESRTPS.isSet(cap),
    faultOffset: CAP.FRO.get(cap) * 16,
    faultRecords: CAP.NFR.get(cap) + 1,
    protectedMemory: CAP.PLMR.isSet(cap) || CAP.PHMR.isSet(cap),
    interruptRemapping: queued && ECAP.IR.isSet(ecap) && !ECAP.EIMER.isSet(ecap),
    interruptTableFlushes: CAP.ESIRTPS.isSet(cap),
    scalable: readScalable(cap, ecap),
  };
}

/** Scalable mode has no invalidation by register, and is of no use without a stage. */
function readScalable(cap: Uint32Array, ecap: Uint32Array): ScalableCapabilities | null {
  const firstStage = ECAP.FSTS.isSet(ecap);
  const secondStage = ECAP.SSTS.isSet(ecap);
  if (!ECAP.SMTS.isSet(ecap) || !ECAP.QI.isSet(ecap) || !(firstStage || secondStage)) return null;
  return {
    firstStage,
    secondStage,
    nested: ECAP.NEST.isSet(ecap) && firstStage && secondStage,
    passThrough: ECAP.PT.isSet(ecap),
    fiveLevels: CAP.FS5LP.isSet(cap),
    firstStageSuperpages: CAP.FS1GP.isSet(cap) ? [2, 3] : [2],
    pasidBits: ECAP.PASID.isSet(ecap) ? ECAP.PSS.get(ecap) + 1 : 0,
    walkSnoop: ECAP.SMPWCS.isSet(ecap),
    deviceTlb: ECAP.DT.isSet(ecap),
    throttles: ECAP.DIT.isSet(ecap),
    pageRequests: ECAP.PRS.isSet(ecap),
    pageRequestDrain: ECAP.PDS.isSet(ecap),
    hostPermissions: ECAP.HPTS.isSet(ecap),
    secondStageFlags: ECAP.SSADS.isSet(ecap) && ECAP.SMPWCS.isSet(ecap),
  };
}
