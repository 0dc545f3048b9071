/** In place of a PASID: requests without one. */
export const NONE = -1;

/** What a machine's IOMMU can do, by the books and not by asking its driver. */
export interface Facts {
  /** Levels of first-stage tables that can be nested. */
  readonly nestedLevels: readonly number[];
  /** Spaces by PASID: none; with a table of any kind; or with tables of user space only, over one host table for each device. */
  readonly pasids: 'none' | 'any' | 'user tables over one host table';
  /** Bits of a PASID that can lead to a user's table. */
  readonly pasidBits: number;
  /** Bits of a PASID that a PASID table of a user can tell apart; 0: there is none. */
  readonly pasidTableBits: number;
  readonly width: number;
  /** Blocked DMA is reported with its PASID; otherwise as if it had none. */
  readonly reportsPasids: boolean;
  readonly enforcesSnoop: boolean;
  /** Hardware notes which pages are written. */
  readonly tracksDirty: boolean;
  /** While it does, reading a table of user space counts as a write to the page where the table is (VT-d 3.8). */
  readonly writesTables: boolean;
  /** First and last page of what cannot be mapped. */
  readonly reserved: readonly (readonly [number, number])[];
}

const MSI = [0xfee00, 0xfeeff] as const;
const HYPERTRANSPORT = [0xfd0_0000, 0xfff_ffff] as const;

/** Without snoop control. */
export const INTEL_LEGACY: Facts = {
  nestedLevels: [],
  pasids: 'none',
  pasidBits: 0,
  pasidTableBits: 0,
  width: 48,
  reportsPasids: false,
  enforcesSnoop: false,
  tracksDirty: false,
  writesTables: false,
  reserved: [MSI],
};

export const INTEL_SCALABLE: Facts = {
  ...INTEL_LEGACY,
  enforcesSnoop: true,
  reportsPasids: true,
  nestedLevels: [4, 5],
  pasids: 'any',
  pasidBits: 20,
  tracksDirty: true,
  writesTables: true,
};

export const AMD_HOST: Facts = {
  ...INTEL_LEGACY,
  reportsPasids: true,
  enforcesSnoop: true,
  reserved: [MSI, HYPERTRANSPORT],
};

export const AMD_NESTING: Facts = {
  ...AMD_HOST,
  nestedLevels: [4, 5],
  pasids: 'user tables over one host table',
  pasidBits: 9,
  pasidTableBits: 20,
  tracksDirty: true,
};

export function isPermitted({ width, reserved }: Facts, first: number, pages: number): boolean {
  const last = first + pages - 1;
  return last < 2 ** (width - 12) && reserved.every(([start, end]) => last < start || first > end);
}
