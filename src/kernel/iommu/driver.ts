/**
 * The only place to plug in an IOMMU: what the kernel asks of its driver. Everything above (groups, ioasids, pinning, who
 * may map what) is the same for all of them.
 *
 * Methods that can fail return 0 or a negative errno. -EIO means that hardware did not do as it was told: then nobody knows
 * what it still has cached, and whoever asked must not let go of the memory in question.
 */
import { type PageNumber, pageOf } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Message } from '../interrupts.ts';
import type { PageRun } from '../page-run.ts';
import type { PciDevice } from '../pci/index.ts';
import type { AttachmentHandlers, Attachments } from './attachments.ts';
import type { Unlinking, Unmapped } from './page-table.ts';

export interface IommuDriver {
  readonly name: string;
  /** What is attached to this unit's domains. */
  readonly attachments: Attachments;
  /** What the unit and this driver can do; known after `probe`. */
  readonly abilities: Abilities;
  /** Finds the hardware and makes it ready: from now on there can be domains, and devices can be attached to them. */
  probe(): Script<number>;
  /** Takes the hardware into service. From now on the DMA of devices that are not attached is blocked. */
  enable(): Script<number>;
  /** -EOPNOTSUPP when the unit has no such tables; what is left open the driver chooses. */
  allocateDomain(options?: DomainOptions): Script<IommuDomain | number>;
  /** A domain that leaves every address as it is. */
  allocateIdentity(): Script<Translation | number>;
  /** A domain whose first stage somebody else keeps, in memory that `parent` translates. */
  allocateNested(nesting: Nesting): Script<NestedDomain | number>;
  /** A domain whose PASID table somebody else keeps, and every first stage that it leads to: -EOPNOTSUPP, -EINVAL. */
  allocatePasidTable(table: ForeignPasidTable): Script<PasidTableDomain | number>;
  /** Says what a device does beside DMA, before anything is attached for it: 0, -EBUSY, -EOPNOTSUPP. */
  prepare(device: PciDevice, features: DeviceFeatures): number;
  /**
   * Runs something that detaches a device and attaches it to something else, or to the same again. What leads to the one is
   * kept until it has ended, so that the way back needs nothing that could be missing: what `body` gives, or -EIO.
   */
  moving(device: PciDevice, body: () => Script<number>): Script<number>;
  /**
   * What a device has to write so that `message` is delivered, and no other device can: -ENOSPC, -ENOMEM, -EIO. Where
   * interrupts are not remapped it is `message` itself.
   */
  admitInterrupt(device: PciDevice, message: Message): Script<Message | number>;
  /** From now on what was admitted is blocked: 0, -EIO. */
  revokeInterrupt(device: PciDevice, admitted: Message): Script<number>;
}

export interface Abilities {
  /** Sizes of pages that kernel-managed tables can have: 2^shift bytes each, ascending. */
  readonly pageShifts: readonly number[];
  /** Of kernel-managed tables. */
  readonly geometry: Geometry;
  /** DMA through kernel-managed tables can be made coherent whatever a device asks for. */
  readonly enforcesSnoop: boolean;
  /** First-stage tables of user space can be nested: with which numbers of levels; empty: none. */
  readonly nestedLevels: readonly (4 | 5)[];
  /** PASID tables of user space: how many bits of a PASID one can tell apart; 0: there can be none. */
  readonly pasidTableBits: number;
  /** Bits of a PASID that requests may carry; 0: none. */
  readonly pasidBits: number;
  readonly deviceTlb: boolean;
  /** Of devices with a device TLB. */
  readonly pageRequests: boolean;
  /** Kernel-managed tables can keep track of what devices write. */
  readonly dirtyTracking: boolean;
}

/** What a driver chooses of tables where `DomainOptions` leave it open is what its `abilities` describe. */
export interface DomainOptions {
  /** Which of two stages of translation the table is for: the first has the CPU's format. */
  readonly stage?: 'first' | 'second';
  /** Of a first stage. */
  readonly levels?: 4 | 5;
  /** For devices with `hostPermissions`. */
  readonly hostPermissions?: boolean;
  /**
   * DMA is coherent whatever a device asks for; left out: where the tables can do that, and true where they cannot is
   * -EOPNOTSUPP. With false a device that asks for it gets DMA that is not.
   */
  readonly enforceSnoop?: boolean;
  /** It must be possible to track what devices write: otherwise -EOPNOTSUPP. */
  readonly dirtyTracking?: boolean;
}

export interface DeviceFeatures {
  /** It keeps translations, and is told to forget them. */
  readonly deviceTlb: boolean;
  /** It may ask for pages that are not there; only with `deviceTlb`. */
  readonly pageRequests: boolean;
  /** What it has translated itself reaches only what its domain maps, as it is mapped; only with `deviceTlb`. */
  readonly hostPermissions?: boolean;
}

/** DMA and nothing else. */
export const NO_FEATURES: DeviceFeatures = { deviceTlb: false, pageRequests: false };

export interface Nesting {
  readonly parent: IommuDomain;
  /** Page of the first stage's top table as `parent` translates it. */
  readonly table: PageNumber;
  readonly levels: 4 | 5;
}

/** A PASID table in memory that `parent` translates. */
export interface ForeignPasidTable {
  readonly parent: IommuDomain;
  /** Page of its top table as `parent` translates it. */
  readonly table: PageNumber;
  /** Bits of a PASID that it tells apart, which say how many levels it has. */
  readonly pasidBits: number;
  /** Of the first stages that it leads to. */
  readonly levels: 4 | 5;
  /** Requests without PASID use the first stage of PASID 0; otherwise `parent` alone translates them. */
  readonly usesPasidZero: boolean;
}

export interface AttachOptions extends AttachmentHandlers {
  /** Left out: the device's requests without PASID. */
  readonly pasid?: number;
}

/** Something that devices can be attached to. */
export interface Translation {
  readonly driver: IommuDriver;
  /**
   * Routes a device's requests into this domain, those with a PASID or those without: 0, -EBUSY when they go somewhere
   * already or the unit serves other devices in a way that does not go with it, -EINVAL, -EOPNOTSUPP, -ENOMEM, -ENOSPC,
   * -EIO.
   */
  attach(device: PciDevice, options?: AttachOptions): Script<number>;
  /** Blocks those requests. On success nothing of this domain is cached for them and no page request is left. */
  detach(device: PciDevice, pasid?: number): Script<number>;
  /** Frees everything. Nothing may be attached. */
  destroy(): Script<void>;
}

export interface NestedDomain extends Translation {
  /** Makes hardware forget a range of the first stage, or all of it. */
  forget(range?: PageRun): Script<number>;
}

/** What is attached to it takes all requests of its device, with PASIDs and without: nothing else can be attached then. */
export interface PasidTableDomain extends Translation {
  /**
   * Makes hardware forget a range of a PASID's first stage, or all of that PASID with its entry in the table; without a
   * PASID everything: 0, -EINVAL, -EIO.
   */
  forget(what?: { readonly pasid?: number; readonly range?: PageRun }): Script<number>;
}

/** I/O virtual pages that can be mapped. */
export interface Geometry {
  readonly last: PageNumber;
  /** First and last page of ranges that devices cannot use for DMA. */
  readonly reserved: readonly (readonly [first: PageNumber, last: PageNumber])[];
}

/** Writes of a device to these pages are interrupts, whatever is mapped there. */
export const INTERRUPT_PAGES = [pageOf(0xfee0_0000n), pageOf(0xfeef_ffffn)] as const;

/** Bits of an address that one level of a first stage translates. */
const LEVEL_BITS = 9;

/** The last page whose address has its top bit 0: beyond, addresses are not canonical or the upper half. */
export function lastFirstStagePage(levels: number): PageNumber {
  return 2 ** (levels * LEVEL_BITS - 1) - 1;
}

/** True when a range of pages can be mapped. */
export function isPermitted(geometry: Geometry, first: PageNumber, pages: number): boolean {
  const last = first + pages - 1;
  if (last > geometry.last) return false;
  return geometry.reserved.every(([start, end]) => last < start || first > end);
}

/** One I/O page table and the devices that go through it. */
export interface IommuDomain extends Translation {
  readonly geometry: Geometry;
  /** True when DMA through this domain is coherent whatever the device asks for. */
  readonly enforcesSnoop: boolean;
  /**
   * Maps `pages` pages from `first` on to consecutive frames, with superpages where they fit. Nothing may be mapped there.
   * On -ENOMEM a part may be mapped; unmap then removes it.
   */
  map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number>;
  /** What new mappings need before devices may use them. Called once after any number of `map`. */
  mapped(first: PageNumber, pages: number): Script<number>;
  /** Clears mappings; hardware may go on using them until `flush`. Holes are skipped, a mapping is never cut. */
  unmap(first: PageNumber, pages: number, unlinking?: Unlinking): Script<Unmapped>;
  /** Makes hardware forget what `unmap` cleared. */
  flush(unmapped: Unmapped): Script<number>;
  /** Frees the tables that `unmap` emptied, after `flush`. */
  reclaim(unmapped: Unmapped): void;
  /**
   * Whether the table keeps track of what devices write from now on, also through what is nested in it: 0, -EOPNOTSUPP,
   * -EIO. Turning it on forgets what was written before.
   */
  setDirtyTracking(on: boolean): Script<number>;
  /**
   * The pages of a range that devices have written to since tracking began, or since they were last read without `keep`.
   * A superpage counts whole, also where it reaches beyond the range. Then hardware has been made to forget that it need
   * not tell again; with `keep` nothing changes. -EINVAL while nothing is tracked; -EIO: nobody knows, take all as written.
   */
  readDirty(first: PageNumber, pages: number, options?: { readonly keep?: boolean }): Script<PageRun[] | number>;
}
