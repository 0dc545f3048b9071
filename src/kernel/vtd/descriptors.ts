/** Descriptors of the invalidation queue (VT-d 6.5.2, 7.6.1) from what the driver wants to be done. */
import { encode } from '../../../hardware/bits/index.ts';
import {
  CONTEXT_CACHE_INVALIDATE,
  DEVICE_TLB_INVALIDATE,
  DescriptorType,
  Granularity,
  HPT_CACHE_INVALIDATE,
  HptInvalidationHint,
  INTERRUPT_ENTRY_CACHE_INVALIDATE,
  INVALIDATION_WAIT,
  IOTLB_INVALIDATE,
  PAGE_GROUP_RESPONSE,
  PASID_CACHE_INVALIDATE,
  PASID_DEVICE_TLB_INVALIDATE,
  PASID_IOTLB_INVALIDATE,
} from '../../../hardware/vtd/spec/index.ts';
import { codeOfBlock } from '../iommu/routed-translation.ts';
import type { Command } from './invalidation.ts';

type Of<C extends Command['cache']> = Extract<Command, { cache: C }>;

export interface DescriptorRules {
  /** What IOTLB invalidations drain. */
  readonly drain: { readonly DR: number; readonly DW: number };
  /** ECAP.DIT: device-TLB invalidations name the physical function. */
  readonly throttles: boolean;
}

/** 4 words, or 8 of a descriptor that needs a queue of 256-bit descriptors. */
export function describe(what: Command, rules: DescriptorRules): Uint32Array {
  switch (what.cache) {
    case 'context':
      return contextCache(what);
    case 'iotlb':
      return iotlb(what, rules);
    case 'pasid':
      return pasidCache(what);
    case 'pasid iotlb':
      return pasidIotlb(what);
    case 'host permissions':
      return hostPermissions(what);
    case 'interrupt entries':
      return interruptEntries(what);
    case 'device-tlb':
      return deviceTlb(what, rules);
    case 'fence':
      return encode(INVALIDATION_WAIT, { TYPE: DescriptorType.INVALIDATION_WAIT, FN: 1 });
    case 'page response':
      return pageResponse(what);
  }
}

/** Closes a batch: writes `data` when all before is done. */
export function describeWait(address: number, data: number, drainPageRequests = false): Uint32Array {
  return encode(INVALIDATION_WAIT, {
    TYPE: DescriptorType.INVALIDATION_WAIT,
    SW: 1,
    PD: drainPageRequests ? 1 : 0,
    STATUS_DATA: data,
    STATUS_ADDRESS: address / 4,
  });
}

function contextCache(what: Of<'context'>): Uint32Array {
  const TYPE = DescriptorType.CONTEXT_CACHE_INVALIDATE;
  const G = Granularity.CONTEXT_CACHE;
  if (what.scope === 'global') return encode(CONTEXT_CACHE_INVALIDATE, { TYPE, G: G.GLOBAL });
  return encode(CONTEXT_CACHE_INVALIDATE, { TYPE, G: G.DEVICE, DID: what.did, SID: what.sid });
}

function iotlb(what: Of<'iotlb'>, { drain }: DescriptorRules): Uint32Array {
  const common = { TYPE: DescriptorType.IOTLB_INVALIDATE, ...drain };
  const G = Granularity.IOTLB;
  if (what.scope === 'global') return encode(IOTLB_INVALIDATE, { ...common, G: G.GLOBAL });
  if (what.scope === 'domain') return encode(IOTLB_INVALIDATE, { ...common, G: G.DOMAIN, DID: what.did });
  const { did: DID, page: ADDR, mask: AM, leafOnly } = what;
  return encode(IOTLB_INVALIDATE, { ...common, G: G.PAGE, DID, ADDR, AM, IH: leafOnly ? 1 : 0 });
}

function pasidCache(what: Of<'pasid'>): Uint32Array {
  const TYPE = DescriptorType.PASID_CACHE_INVALIDATE;
  const G = Granularity.PASID_CACHE;
  if (what.scope === 'global') return encode(PASID_CACHE_INVALIDATE, { TYPE, G: G.GLOBAL });
  if (what.scope === 'domain') return encode(PASID_CACHE_INVALIDATE, { TYPE, G: G.DOMAIN, DID: what.did });
  return encode(PASID_CACHE_INVALIDATE, { TYPE, G: G.PASID, DID: what.did, PASID: what.pasid });
}

function pasidIotlb(what: Of<'pasid iotlb'>): Uint32Array {
  const common = { TYPE: DescriptorType.PASID_IOTLB_INVALIDATE, DID: what.did, PASID: what.pasid };
  const G = Granularity.PASID_IOTLB;
  if (what.scope === 'pasid') return encode(PASID_IOTLB_INVALIDATE, { ...common, G: G.PASID });
  const { page: ADDR, mask: AM, leafOnly } = what;
  return encode(PASID_IOTLB_INVALIDATE, { ...common, G: G.PAGE, ADDR, AM, IH: leafOnly ? 1 : 0 });
}

function hostPermissions(what: Of<'host permissions'>): Uint32Array {
  const TYPE = DescriptorType.HPT_CACHE_INVALIDATE;
  const G = Granularity.HPT_CACHE;
  if (what.scope === 'global') return encode(HPT_CACHE_INVALIDATE, { TYPE, G: G.GLOBAL });
  const { did: HPTDID } = what;
  const { ALL, L1 } = HptInvalidationHint;
  if (what.scope === 'domain') return encode(HPT_CACHE_INVALIDATE, { TYPE, G: G.DOMAIN, HPTDID, IH: ALL });
  const { page: ADDR, mask: AM, leafOnly } = what;
  return encode(HPT_CACHE_INVALIDATE, { TYPE, G: G.PAGE, HPTDID, ADDR, AM, IH: leafOnly ? L1 : ALL });
}

function interruptEntries(what: Of<'interrupt entries'>): Uint32Array {
  const TYPE = DescriptorType.INTERRUPT_ENTRY_CACHE_INVALIDATE;
  const G = Granularity.INTERRUPT_ENTRY_CACHE;
  if (what.scope === 'global') return encode(INTERRUPT_ENTRY_CACHE_INVALIDATE, { TYPE, G: G.GLOBAL });
  return encode(INTERRUPT_ENTRY_CACHE_INVALIDATE, { TYPE, G: G.INDEX, IIDX: what.index });
}

function deviceTlb({ sid: SID, pasid, page, mask }: Of<'device-tlb'>, { throttles }: DescriptorRules): Uint32Array {
  const S = mask > 0 ? 1 : 0;
  const ADDR = codeOfBlock({ page, mask });
  const PFSID_3_0 = throttles ? SID & 0xf : 0;
  const PFSID_15_4 = throttles ? SID >>> 4 : 0;
  const common = { SID, S, ADDR, PFSID_3_0, PFSID_15_4 };
  if (pasid < 0) return encode(DEVICE_TLB_INVALIDATE, { TYPE: DescriptorType.DEVICE_TLB_INVALIDATE, ...common });
  const TYPE = DescriptorType.PASID_DEVICE_TLB_INVALIDATE;
  return encode(PASID_DEVICE_TLB_INVALIDATE, { TYPE, ...common, PASID: pasid });
}

function pageResponse({ rid: RID, pasid, group: PRGI, code: RC }: Of<'page response'>): Uint32Array {
  const target = pasid < 0 ? {} : { PP: 1, PASID: pasid };
  return encode(PAGE_GROUP_RESPONSE, { TYPE: DescriptorType.PAGE_GROUP_RESPONSE, RID, PRGI, RC, ...target });
}
