/** Entries of the event log about requests: what a condition, and the request that met it, say. */
import { encode, joinHalves } from '../bits/index.ts';
import { Access, AddressType, type InterruptMessage, NO_PASID, type Translation } from '../iommu/index.ts';
import {
  type AmdFault,
  DEV_TAB_HARDWARE_ERROR,
  EventCode,
  ILLEGAL_DEV_TABLE_ENTRY,
  INVALID_DEVICE_REQUEST,
  IO_PAGE_FAULT,
  PAGE_TAB_HARDWARE_ERROR,
} from './spec/index.ts';

/** What an event says of the request. */
interface Request {
  readonly deviceId: number;
  readonly domain: number;
  readonly pasid: number;
  readonly address: bigint;
  /** Bits of `Access`. */
  readonly access: number;
  readonly isTranslation: boolean;
  readonly isInterrupt: boolean;
  /** The table entry that was being read. */
  readonly entry: number;
}

/** The entry about a request to memory. */
export function entryOf(fault: AmdFault, t: Translation<AmdFault>): Uint32Array {
  return compose(fault, {
    deviceId: t.requester,
    domain: t.domain,
    pasid: t.pasid,
    address: joinHalves(t.hi, t.lo),
    access: t.access,
    isTranslation: t.addressType === AddressType.TRANSLATION,
    isInterrupt: false,
    entry: t.memory.address,
  });
}

/** The entry about an interrupt. */
export function interruptEntryOf(fault: AmdFault, message: InterruptMessage<AmdFault>): Uint32Array {
  return compose(fault, {
    deviceId: message.requester,
    domain: 0,
    pasid: NO_PASID,
    address: joinHalves(message.hi, message.lo),
    access: Access.WRITE,
    isTranslation: false,
    isInterrupt: true,
    entry: message.memory.address,
  });
}

function compose(fault: AmdFault, request: Request): Uint32Array {
  const { flags } = fault;
  const hasPasid = request.pasid !== NO_PASID;
  const pasid = hasPasid ? request.pasid & 0xffff : 0;
  const low = hasPasid ? pasid : request.domain;
  const isInterrupt = request.isInterrupt || flags.I === 1;
  const common = {
    DeviceID: request.deviceId,
    PASID_19_16: hasPasid ? request.pasid >>> 16 : 0,
    GN: hasPasid ? 1 : 0,
    I: isInterrupt ? 1 : 0,
    RW: (request.access & Access.WRITE) !== 0 && !isInterrupt ? 1 : 0,
    TR: request.isTranslation ? 1 : 0,
    EventCode: fault.code,
  };
  const isUser = hasPasid && (request.access & Access.PRIVILEGED) === 0;
  const US = isUser ? 1 : 0;
  const { PR = 0, PE = 0, RZ = 0, Type = 0 } = flags;
  switch (fault.code) {
    case EventCode.ILLEGAL_DEV_TABLE_ENTRY:
      return encode(ILLEGAL_DEV_TABLE_ENTRY, { ...common, PASID_15_0: pasid, RZ, Address: request.address >> 2n });
    case EventCode.DEV_TAB_HARDWARE_ERROR:
      return encode(DEV_TAB_HARDWARE_ERROR, { ...common, Type, Address: BigInt(request.entry) >> 4n });
    case EventCode.PAGE_TAB_HARDWARE_ERROR:
      return encode(PAGE_TAB_HARDWARE_ERROR, { ...common, DomainID: low, Type, Address: BigInt(request.entry) >> 3n });
    case EventCode.INVALID_DEVICE_REQUEST:
      return encode(INVALID_DEVICE_REQUEST, {
        ...common,
        PASID_15_0: pasid,
        US,
        Type,
        Address: request.address,
      });
    default: {
      const NX = (request.access & Access.EXECUTE) !== 0 ? 1 : 0;
      return encode(IO_PAGE_FAULT, { ...common, DomainID: low, NX, US, PR, PE, RZ, Address: request.address });
    }
  }
}
