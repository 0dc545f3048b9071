/**
 * The DMAR table, by which firmware tells software about remapping units: VT-d chapter 8.
 *
 * The table begins with the ACPI table header; `DMAR` is what follows it, and then come the structures, each with its
 * type and length, in ascending order of types. Lengths need not be multiples of 4, so nothing here is aligned.
 */
import { field, flag, layout } from '../../bits/index.ts';

export const DMAR_SIGNATURE = 'DMAR';
export const DMAR_REVISION = 1;

export const DMAR = layout('DMAR', 96, 'VT-d 8.1', {
  HAW: field(7, 0, 'Host address width, minus 1'),
  INTR_REMAP: flag(8, 'The platform supports interrupt remapping'),
  X2APIC_OPT_OUT: flag(9, 'Software should leave x2APIC mode off'),
  DMA_CTRL_PLATFORM_OPT_IN: flag(10, 'Software should keep DMA blocked until it is needed'),
});

/** Type of a remapping structure. Software skips the types that it does not know. */
export const RemappingStructure = { DRHD: 0, RMRR: 1, ATSR: 2, RHSA: 3, ANDD: 4, SATC: 5, SIDP: 6 } as const;

const TYPE = field(15, 0, 'Type', RemappingStructure);
const LENGTH = field(31, 16, 'Bytes of the structure, its device scopes included');
const SEGMENT = field(63, 48, 'PCI segment');

/** Every structure begins like this. */
export const REMAPPING_HEADER = layout('remapping structure', 32, 'VT-d 8.2', { TYPE, LENGTH });

export const DRHD = layout('DRHD', 128, 'VT-d 8.3', {
  TYPE,
  LENGTH,
  INCLUDE_PCI_ALL: flag(32, 'The unit has every device of the segment that no other unit has; it comes last'),
  SIZE: field(43, 40, 'The register set has 2^SIZE pages of 4 KiB; reserved before revision 4.0'),
  SEGMENT,
  BASE: field(127, 64, 'Physical address of the register set'),
});

export const RMRR = layout('RMRR', 192, 'VT-d 8.4', {
  TYPE,
  LENGTH,
  SEGMENT,
  BASE: field(127, 64, 'First byte of memory that the devices must go on reaching; whole pages'),
  LIMIT: field(191, 128, 'Last byte of that memory'),
});

export const ATSR = layout('ATSR', 64, 'VT-d 8.5', {
  TYPE,
  LENGTH,
  ALL_PORTS: flag(32, 'Every root port of the segment passes ATS transactions; no device scope follows'),
  SEGMENT,
});

export const RHSA = layout('RHSA', 160, 'VT-d 8.6', {
  TYPE,
  LENGTH,
  BASE: field(127, 64, 'Physical address of a register set, as in its DRHD'),
  PROXIMITY: field(159, 128, 'Proximity domain of the unit'),
});

export const ANDD = layout('ANDD', 64, 'VT-d 8.7', {
  TYPE,
  LENGTH,
  DEVICE_NUMBER: field(63, 56, 'ACPI device number, as device scopes use it'),
});

export const SATC = layout('SATC', 64, 'VT-d 8.8', {
  TYPE,
  LENGTH,
  ATC_REQUIRED: flag(32, 'The devices do not work without ATS'),
  SEGMENT,
});

export const SIDP = layout('SIDP', 64, 'VT-d 8.9', { TYPE, LENGTH, SEGMENT });

/** Type of a device scope. */
export const ScopeType = { ENDPOINT: 1, SUB_HIERARCHY: 2, IOAPIC: 3, HPET: 4, ACPI_DEVICE: 5 } as const;

/** A device scope with the first hop of its path; each bridge on the way adds two bytes, device and function. */
export const DEVICE_SCOPE = layout('device scope', 64, 'VT-d 8.3.1', {
  TYPE: field(7, 0, 'Kind of device', ScopeType),
  LENGTH: field(15, 8, 'Bytes of the device scope'),
  NESTED_NOT_ALLOWED: flag(16, 'SIDP: no nested translation for requests without PASID'),
  PWSNP_NOT_ALLOWED: flag(17, 'SIDP: PWSNP must stay 0'),
  SNP_NOT_ALLOWED: flag(18, 'SIDP: PGSNP and SNP must stay 0'),
  ATC_HARDENED: flag(19, 'SIDP: the device checks its own translation cache'),
  ATC_REQUIRED: flag(20, 'SIDP: the device does not work without ATS'),
  ENUMERATION_ID: field(39, 32, 'I/O APIC id, HPET number or ACPI device number'),
  START_BUS: field(47, 40, 'Bus on which the path begins'),
  DEVICE: field(55, 48, 'Device number of the first hop'),
  FUNCTION: field(63, 56, 'Function number of the first hop'),
});

/** Bytes before a device scope's path, and of one hop. */
export const SCOPE_BYTES = 6;
export const HOP_BYTES = 2;

/** Device and function number. */
export type Hop = readonly [device: number, fn: number];

/** Restrictions that a SIDP puts on a device. */
export interface ScopeLimits {
  readonly nestedNotAllowed?: boolean;
  readonly pwsnpNotAllowed?: boolean;
  readonly snpNotAllowed?: boolean;
  readonly atcHardened?: boolean;
  readonly atcRequired?: boolean;
}

/** A device scope in plain words. */
export interface DeviceScope extends ScopeLimits {
  /** A code point of `ScopeType`, or another number. */
  readonly type: number;
  readonly enumerationId: number;
  readonly startBus: number;
  /** At least one hop. */
  readonly path: readonly Hop[];
}

/** A remapping structure in plain words. A type that has no name here keeps its bytes. */
export type DmarStructure =
  | {
      readonly type: 'DRHD';
      readonly includePciAll: boolean;
      /** The register set has 2^size pages. */
      readonly size: number;
      readonly segment: number;
      readonly base: bigint;
      readonly scope: readonly DeviceScope[];
    }
  | {
      readonly type: 'RMRR';
      readonly segment: number;
      readonly base: bigint;
      /** Last byte. */
      readonly limit: bigint;
      readonly scope: readonly DeviceScope[];
    }
  | {
      readonly type: 'ATSR';
      readonly allPorts: boolean;
      readonly segment: number;
      readonly scope: readonly DeviceScope[];
    }
  | { readonly type: 'RHSA'; readonly base: bigint; readonly proximity: number }
  | { readonly type: 'ANDD'; readonly deviceNumber: number; readonly name: string }
  | {
      readonly type: 'SATC';
      readonly atcRequired: boolean;
      readonly segment: number;
      readonly scope: readonly DeviceScope[];
    }
  | { readonly type: 'SIDP'; readonly segment: number; readonly scope: readonly DeviceScope[] }
  | { readonly type: 'other'; readonly code: number; readonly body: readonly number[] };

/** A whole table in plain words. */
export interface DmarTable {
  /** Bits of a host physical address. */
  readonly hostAddressWidth: number;
  readonly interruptRemapping: boolean;
  readonly x2apicOptOut: boolean;
  readonly dmaControlOptIn: boolean;
  readonly structures: readonly DmarStructure[];
}
