/**
 * Every condition that blocks an access to memory: tables and registers that lead to it, and the event that tells of it, bit
 * by bit (amd-vi.md sections 2.5, 2.6, 5, 5.1 and 5.2). The device is 0108h, its domain 5, and the PASID 21h.
 */
import type { DmaRequest } from '../../hardware/index.ts';
import {
  ALL,
  type Bench,
  type BenchOptions,
  DATA,
  GCR3,
  guestAt,
  hostAt,
  IR,
  IW,
  level,
  NX,
  PASID,
  type Pair,
  PR,
  PS,
  RAM,
  REG,
  RW,
  USER_PAGE,
} from './bench.ts';

export interface Condition {
  /** Name of the condition, with what leads to it where there is more than one way. */
  readonly name: string;
  readonly options?: BenchOptions;
  arrange(bench: Bench): unknown;
  readonly ask: Partial<DmaRequest> & { readonly address: bigint };
  /** CA unless the access is blocked without an abort. */
  readonly answer?: 'UR' | 'dropped';
  readonly event: Pair;
  /** What an ATS translation request gets: 'no rights' is a completion, and no event. Left out where that is another story. */
  readonly translation?: 'no rights' | 'UR' | 'CA';
}

const I = { deviceTlb: true } as const;
const pasid = PASID;
/** 2 MiB as a size that an address encodes: bits 19:12 are 1, bit 20 is 0. */
const SIZE_2M = 0xf_f000n;

export const CONDITIONS: readonly Condition[] = [
  {
    name: 'ILLEGAL_DEV_TABLE_ENTRY.RESERVED',
    arrange: (bench) => bench.device({ ...I, bits: [2] }),
    ask: { address: 0x1234n },
    event: [0x1080_0000_0000_0108n, 0x1234n],
    translation: 'CA',
  },
  {
    name: 'ILLEGAL_DEV_TABLE_ENTRY.RESERVED, for a write with PASID',
    arrange: (bench) => bench.device({ ...I, bits: [63] }),
    ask: { address: 0x1234n, write: true, pasid: 0xf_4321 },
    event: [0x10a1_4321_000f_0108n, 0x1234n],
  },
  {
    name: 'ILLEGAL_DEV_TABLE_ENTRY.ENCODING: Mode',
    arrange: (bench) => bench.device({ ...I, mode: 7 }),
    ask: { address: 0x1234n, write: true },
    event: [0x1020_0000_0000_0108n, 0x1234n],
    translation: 'CA',
  },
  {
    name: 'DEV_TAB_HARDWARE_ERROR.READ',
    arrange: (bench) => bench.set(REG.DEVICE_TABLE, RAM | 0x1ffn),
    ask: { address: 0x1234n, write: true },
    event: [0x3220_0000_0000_0108n, 0x40_2100n],
    translation: 'CA',
  },
  {
    name: 'IO_PAGE_FAULT.DEVICE_ID',
    arrange: (bench) => bench.set(REG.DEVICE_TABLE, 0x20_0001n),
    ask: { address: 0x1234n },
    event: [0x2000_0000_0000_0108n, 0x1234n],
    translation: 'UR',
  },
  {
    name: 'IO_PAGE_FAULT.TV',
    arrange: (bench) => bench.device({ ...I, tv: false }),
    ask: { address: 0x1234n, write: true },
    event: [0x2020_0005_0000_0108n, 0x1234n],
    translation: 'UR',
  },
  {
    name: 'IO_PAGE_FAULT.DTE_DENIED',
    arrange: (bench) => bench.usual({ ...I, ir: false, iw: false }),
    ask: { address: 0x234n, write: true },
    event: [0x2070_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.NOT_PRESENT: a page',
    arrange: (bench) => bench.usual(I, DATA | IR | IW),
    ask: { address: 0x234n },
    event: [0x2000_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.NOT_PRESENT: a table',
    arrange: (bench) => bench.usual(I).host(3, 0, hostAt(2) | level(2) | IR | IW),
    ask: { address: 0x234n, write: true },
    event: [0x2020_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.DENIED: the page',
    arrange: (bench) => bench.usual(I, DATA | PR),
    ask: { address: 0x234n },
    event: [0x2050_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.DENIED: a table on the way',
    arrange: (bench) => bench.usual(I).host(2, 0, hostAt(1) | level(1) | PR),
    ask: { address: 0x234n, write: true },
    event: [0x2070_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.RESERVED',
    arrange: (bench) => bench.usual(I).host(2, 0, hostAt(1) | level(1) | RW | (1n << 52n)),
    ask: { address: 0x234n },
    event: [0x2090_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.NEXT_LEVEL',
    arrange: (bench) => bench.usual(I).host(3, 0, hostAt(3) | level(3) | RW),
    ask: { address: 0x234n },
    event: [0x2010_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.PAGE_SIZE',
    arrange: (bench) => bench.usual(I, SIZE_2M | level(7) | RW),
    ask: { address: 0x234n, write: true },
    event: [0x2030_0005_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.SKIPPED',
    arrange: (bench) => bench.usual(I).host(4, 0, hostAt(1) | level(1) | RW),
    ask: { address: 0x20_0234n },
    event: [0x2000_0005_0000_0108n, 0x20_0234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.OUT_OF_RANGE',
    arrange: (bench) => bench.usual(I),
    ask: { address: 0x0001_0000_0000_0234n },
    event: [0x2000_0005_0000_0108n, 0x0001_0000_0000_0234n],
    translation: 'no rights',
  },
  {
    name: 'PAGE_TAB_HARDWARE_ERROR.READ',
    arrange: (bench) => bench.usual(I).host(2, 0, RAM | level(1) | RW),
    ask: { address: 0x3234n, write: true },
    event: [0x4220_0005_0000_0108n, 0x40_0018n],
    translation: 'CA',
  },
  {
    name: 'PAGE_TAB_HARDWARE_ERROR.UPDATE',
    arrange: (bench) => {
      bench.usual({ ...I, had: 1 });
      bench.meanwhile = () => {
        throw new Error('this memory cannot be written');
      };
    },
    ask: { address: 0x234n },
    event: [0x4200_0005_0000_0108n, hostAt(4)],
    translation: 'CA',
  },
  {
    name: 'IO_PAGE_FAULT.NO_GUEST_TABLE',
    arrange: (bench) => bench.usual(I),
    ask: { address: 0x234n, pasid },
    event: [0x2005_0021_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.PASID: beyond the GCR3 table',
    arrange: (bench) => bench.guests(I),
    ask: { address: 0x234n, pasid: 0x1_2345 },
    event: [0x2005_2345_0001_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.PASID: beyond PASMax',
    // Eight bits.
    options: { efr: (ALL & ~(0x1fn << 32n)) | (7n << 32n) },
    arrange: (bench) => bench.guests(I).write64(GCR3 + 0x100n * 8n, guestAt(4) | 1n),
    ask: { address: 0x234n, pasid: 0x100, write: true },
    event: [0x2025_0100_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.GCR3_NOT_VALID',
    arrange: (bench) => bench.guests(I),
    ask: { address: 0x234n, pasid: 0x22, privileged: true },
    event: [0x2001_0022_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.GCR3_RESERVED',
    arrange: (bench) => bench.guests(I).write64(GCR3 + 0x21n * 8n, guestAt(4) | 0x11n),
    ask: { address: 0x234n, pasid },
    event: [0x2095_0021_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'PAGE_TAB_HARDWARE_ERROR.GCR3_READ',
    arrange: (bench) => bench.guests({ ...I, gcr3: RAM }),
    ask: { address: 0x234n, pasid },
    event: [0x4201_0021_0000_0108n, 0x40_0108n],
    translation: 'CA',
  },
  {
    name: 'PAGE_TAB_HARDWARE_ERROR.GCR3_READ, of a PASID of 20 bits',
    arrange: (bench) => bench.guests({ ...I, gcr3: RAM, glx: 2 }),
    ask: { address: 0x234n, pasid: 0xf_4321 },
    event: [0x4201_4321_000f_0108n, 0x40_0018n],
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_CANONICAL',
    arrange: (bench) => bench.guests(I),
    ask: { address: 0x0000_8000_0000_0234n, pasid },
    event: [0x2005_0021_0000_0108n, 0x0000_8000_0000_0234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_NOT_PRESENT',
    arrange: (bench) => bench.guests(I, DATA | 6n),
    ask: { address: 0x234n, pasid },
    event: [0x2005_0021_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_RESERVED',
    arrange: (bench) => bench.guests(I).guest(4, 0, guestAt(3) | USER_PAGE | PS),
    ask: { address: 0x234n, pasid, write: true },
    event: [0x20b5_0021_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_DENIED',
    arrange: (bench) => bench.guests(I, DATA | 5n),
    ask: { address: 0x234n, pasid, write: true },
    event: [0x2075_0021_0000_0108n, 0x234n],
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_EXECUTE',
    arrange: (bench) => bench.guests(I, DATA | USER_PAGE | NX),
    ask: { address: 0x234n, pasid, execute: true },
    event: [0x2057_0021_0000_0108n, 0x234n],
  },
  {
    name: 'IO_PAGE_FAULT.GUEST_USER',
    arrange: (bench) => bench.guests(I, DATA | 3n),
    ask: { address: 0x234n, pasid },
    answer: 'UR',
    event: [0x2055_0021_0000_0108n, 0x234n],
    translation: 'no rights',
  },
  {
    name: 'PAGE_TAB_HARDWARE_ERROR.GUEST_READ',
    arrange: (bench) => bench.guests(I).guest(3, 0, RAM | USER_PAGE),
    ask: { address: 0x60_0234n, pasid },
    event: [0x4201_0021_0000_0108n, 0x40_0018n],
    translation: 'CA',
  },
  {
    name: 'INVALID_DEVICE_REQUEST.INTERRUPT_RANGE_READ',
    arrange: (bench) => bench.usual(I),
    ask: { address: 0xfee0_0234n },
    event: [0x8000_0000_0000_0108n, 0xfee0_0234n],
  },
  {
    name: 'INVALID_DEVICE_REQUEST.INTERRUPT_RANGE_WRITE',
    arrange: (bench) => bench.usual(I),
    ask: { address: 0xfee0_0234n, write: true, data: new Uint8Array(2) },
    event: [0x8800_0000_0000_0108n, 0xfee0_0234n],
  },
  {
    name: 'INVALID_DEVICE_REQUEST.PRETRANSLATED',
    arrange: (bench) => bench.usual(),
    ask: { address: 0x234n, addressType: 'translated' },
    event: [0x8200_0000_0000_0108n, 0x234n],
  },
  {
    name: 'INVALID_DEVICE_REQUEST.PRETRANSLATED, with PASID',
    arrange: (bench) => bench.usual(),
    ask: { address: 0x234n, addressType: 'translated', pasid: 0xf_4321 },
    event: [0x8203_4321_000f_0108n, 0x234n],
  },
  {
    name: 'IO_PAGE_FAULT.INTERRUPT_PASID',
    arrange: (bench) => bench.guests(I),
    ask: { address: 0xfee0_0000n, write: true, pasid },
    event: [0x200d_0021_0000_0108n, 0xfee0_0000n],
  },
];

/** The row that a condition is. */
export const rowOf = ({ name }: Pick<Condition, 'name'>): string => name.replace(/[:,].*/, '');
