/** What a host says to a rig and hears from it. Addresses and 64-bit values are bigints. */
import type { DeviceMessage, InvalidationCompletion, IommuInspector } from '../iommu/index.ts';

import type { HostMemory } from './memory.ts';

export interface IntelCapabilities {
  readonly ver: bigint;
  readonly cap: bigint;
  readonly ecap: bigint;
}

export interface AmdCapabilities {
  readonly efr: bigint;
  readonly efr2?: bigint;
  readonly capHeader?: bigint;
  readonly miscInfo0?: bigint;
  readonly miscInfo1?: bigint;
}

export interface CommonOptions {
  /** Bits of a host physical address: 32 to 52, by default 52. */
  readonly hostAddressWidth?: number;
  /** The physical ranges that exist, as [start, length]; by default all. */
  readonly ram?: readonly (readonly [start: bigint, length: bigint])[];
  /** Memory that the host brings. */
  readonly memory?: HostMemory;
  /** Receives every interrupt message. */
  readonly onMsi?: (address: bigint, data: number) => void;
  /** Receives what the unit sends to devices: device-TLB invalidations and answers to page requests. */
  readonly onDeviceMessage?: (message: DeviceMessage) => void;
  /** A device-TLB invalidation is complete when `completeInvalidation` has said so, and not as soon as it is sent. */
  readonly awaitInvalidations?: boolean;
  /** The platform promises that walks are coherent whatever the entries say. */
  readonly assumeCoherentWalks?: boolean;
}

export type RigOptions = CommonOptions &
  (
    | { readonly vendor: 'intel'; readonly capabilities: IntelCapabilities }
    | { readonly vendor: 'amd'; readonly capabilities: AmdCapabilities }
  );

export interface TranslateRequest {
  /** Requester id: bus, device and function. */
  readonly requester: number;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  readonly addressType?: 'untranslated' | 'translated';
  readonly address: bigint;
  readonly write: boolean;
  /** Bytes; 0 is a zero-length read. */
  readonly length?: number;
  /** With true the answer is the same and nothing changes: no cache, table, record or counter. */
  readonly probe?: boolean;
}

export interface DmaRequest extends Omit<TranslateRequest, 'probe'> {
  /** What a write carries. A read gives `length` instead. */
  readonly data?: Uint8Array;
}

/** A fault as the unit reports it. */
export interface RigFault {
  /** The specification's fault reason. */
  readonly code: number;
  readonly name: string;
  /** False when the specification lets it go unrecorded. */
  readonly recorded: boolean;
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  /** Page of the blocked access. */
  readonly address: bigint;
  readonly write: boolean;
}

export interface Segment {
  readonly address: bigint;
  readonly length: number;
}

export type DmaResult =
  | { readonly ok: true; readonly data?: Uint8Array; readonly segments: readonly Segment[] }
  | { readonly ok: false; readonly status: 'UR' | 'CA' | 'dropped'; readonly fault?: RigFault };

/** An ATS translation request. */
export interface TranslationRequest {
  readonly requester: number;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  readonly address: bigint;
  /** NW: the device will not write. */
  readonly noWrite?: boolean;
}

/** A translation completion: the range around the address, and what may be done with it. */
export interface TranslationCompletion {
  /** First byte of the range before translation, and where it lies. */
  readonly address: bigint;
  readonly translated: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
  readonly global: boolean;
  /** U: the device has to use untranslated requests for this range. */
  readonly untranslatedOnly: boolean;
  /** N: accesses are snooped whatever the request says. */
  readonly nonSnoopedIgnored: boolean;
}

export type TranslationResult =
  | { readonly ok: true; readonly completion: TranslationCompletion }
  | { readonly ok: false; readonly status: 'UR' | 'CA'; readonly fault?: RigFault };

/** A page request message. */
export interface PageRequestMessage {
  readonly requester: number;
  readonly pasid?: number;
  readonly address: bigint;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly execute?: boolean;
  readonly privileged?: boolean;
  /** The last page of its group wants an answer. With neither read nor write it is a stop marker. */
  readonly last?: boolean;
  /** Page request group index, 0 to 511. */
  readonly group: number;
}

export interface Rig {
  readonly vendor: 'intel' | 'amd';
  /** Reads 4 or 8 bytes of the unit's register page. */
  readRegister(offset: number, size: number): bigint;
  /** Writes 4 or 8 bytes; what the write starts is done when it returns. */
  writeRegister(offset: number, size: number, value: bigint): void;
  /** Reads 1, 2 or 4 bytes of the unit's PCI function; a VT-d unit is none, and all bits read 1. */
  readConfig(offset: number, size: number): number;
  /** Writes 1, 2 or 4 bytes of the unit's PCI function, for instance its MSI capability. */
  writeConfig(offset: number, size: number, value: number): void;
  /** The bytes at a physical address; bytes that do not exist read 0. */
  readMemory(address: bigint, length: number): Uint8Array;
  /** Writes bytes; those that do not exist are dropped. */
  writeMemory(address: bigint, bytes: Uint8Array): void;
  dma(request: DmaRequest): DmaResult;
  translate(request: TranslateRequest): DmaResult;
  /** An ATS translation request; what the device may keep in its device-TLB. */
  translationRequest(request: TranslationRequest): TranslationResult;
  /** A page request message; an answer comes through `onDeviceMessage`. */
  pageRequest(request: PageRequestMessage): void;
  /** A device's completion of device-TLB invalidations, with `awaitInvalidations`. */
  completeInvalidation(completion: InvalidationCompletion): void;
  /** The time of every device that owes a completion is up. */
  expireInvalidations(): void;
  /** Explanations, registers, tables and caches as plain data; asking changes nothing. */
  inspect(): IommuInspector;
}
