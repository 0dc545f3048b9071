/** Commands (fact sheet 4) from what the driver wants to be done. */
import {
  COMPLETE_PPR_REQUEST,
  COMPLETION_WAIT,
  CommandCode,
  INVALIDATE_DEVTAB_ENTRY,
  INVALIDATE_INTERRUPT_TABLE,
  INVALIDATE_IOMMU_ALL,
  INVALIDATE_IOMMU_PAGES,
  INVALIDATE_IOTLB_PAGES,
} from '../../../hardware/amdvi/spec/index.ts';
import { encode } from '../../../hardware/bits/index.ts';
import { codeOfBlock, type PageBlock } from '../iommu/routed-translation.ts';

export type Command =
  | { readonly kind: 'device entry'; readonly deviceId: number }
  | { readonly kind: 'interrupt table'; readonly deviceId: number }
  | {
      readonly kind: 'pages';
      readonly did: number;
      /** Of a guest table; -1 for the host table. */
      readonly pasid: number;
      readonly block: PageBlock;
      /** Not only leaf entries have changed. */
      readonly directories: boolean;
    }
  | {
      readonly kind: 'device tlb';
      readonly deviceId: number;
      /** Of what the device keeps; -1 for what it got without a PASID. */
      readonly pasid: number;
      readonly block: PageBlock;
    }
  | { readonly kind: 'everything' }
  | {
      readonly kind: 'page response';
      readonly deviceId: number;
      /** -1 without one. */
      readonly pasid: number;
      readonly group: number;
      readonly code: number;
    };

/** A device may have so many invalidations outstanding. */
const MAXPEND = 32;

export function describe(what: Command): Uint32Array {
  switch (what.kind) {
    case 'device entry':
      return encode(INVALIDATE_DEVTAB_ENTRY, {
        Opcode: CommandCode.INVALIDATE_DEVTAB_ENTRY,
        DeviceID: what.deviceId,
      });
    case 'interrupt table':
      return encode(INVALIDATE_INTERRUPT_TABLE, {
        Opcode: CommandCode.INVALIDATE_INTERRUPT_TABLE,
        DeviceID: what.deviceId,
      });
    case 'pages':
      return encode(INVALIDATE_IOMMU_PAGES, {
        Opcode: CommandCode.INVALIDATE_IOMMU_PAGES,
        DomainID: what.did,
        PDE: what.directories ? 1 : 0,
        ...rangeOf(what.block),
        ...(what.pasid < 0 ? {} : { GN: 1, PASID: what.pasid }),
      });
    case 'device tlb':
      return deviceTlb(what);
    case 'everything':
      return encode(INVALIDATE_IOMMU_ALL, { Opcode: CommandCode.INVALIDATE_IOMMU_ALL });
    case 'page response':
      return encode(COMPLETE_PPR_REQUEST, {
        Opcode: CommandCode.COMPLETE_PPR_REQUEST,
        DeviceID: what.deviceId,
        PRGIndex: what.group,
        ResponseCode: what.code,
        ...(what.pasid < 0 ? {} : { GN: 1, PASID: what.pasid }),
      });
  }
}

/** Closes a batch: stores `data` when all before is done. */
export function describeWait(address: number, data: number): Uint32Array {
  return encode(COMPLETION_WAIT, {
    Opcode: CommandCode.COMPLETION_WAIT,
    S: 1,
    StoreAddress: address / 8,
    StoreData: data,
  });
}

/** Does nothing. */
export const NOTHING = encode(COMPLETION_WAIT, { Opcode: CommandCode.COMPLETION_WAIT });

function deviceTlb({ deviceId, pasid, block }: Extract<Command, { kind: 'device tlb' }>): Uint32Array {
  const guest = {
    GN: 1,
    PASID_7_0: pasid & 0xff,
    PASID_15_8: (pasid >>> 8) & 0xff,
    PASID_19_16: pasid >>> 16,
  };
  return encode(INVALIDATE_IOTLB_PAGES, {
    Opcode: CommandCode.INVALIDATE_IOTLB_PAGES,
    DeviceID: deviceId,
    QueueID: deviceId,
    Maxpend: MAXPEND,
    ...rangeOf(block),
    ...(pasid < 0 ? {} : guest),
  });
}

function rangeOf(block: PageBlock): { S: number; Address: number } {
  return { S: block.mask > 0 ? 1 : 0, Address: codeOfBlock(block) };
}
