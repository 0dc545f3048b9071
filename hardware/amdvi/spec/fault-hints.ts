/** What to check first when a condition is reported: one short hint per condition of `FAULTS`, for explanations. */
import type { FaultName } from './faults.ts';

const DTE_RESERVED =
  'the device table entry: undeclared bits, and fields whose feature EFR or EFR2 does not report, with V in bits 127:0, with IV above';
const LAST_READ = 'the last entry that was read';
const INTERRUPT_TABLE = 'DTE.IntTabRoot';

/** The hints by the part of the procedure in which a condition is found. */
const BY_STAGE = {
  'device table': {
    DTE_RESERVED,
    DTE_ENCODING:
      'Mode against EFR.HATS, GuestPagingMode against EFR.GATS, GLX against EFR.GLXSup; 3 in IoCtl and IntCtl, 2 in HAD and IntTabLen above 11 are reserved',
    DTE_READ: 'Device Table Base: does the table, or the segment of this device, lie in RAM?',
    DEVICE_ID:
      'Device Table Base: Size is in pages of 4 KiB minus 1, and each page holds the entries of 128 device ids',
    TV: 'the device is attached to nothing: TV of its device table entry, and whether the requester id is the expected one',
    DTE_DENIED:
      'IR and IW of the device table entry, which hold for all that the device does; with neither and Mode 0 it is attached to nothing',
  },
  request: {
    INTERRUPT_RANGE_READ:
      'FEE0_0000h-FEEF_FFFFh can only be written: the device was given an address there, or invents one',
    INTERRUPT_RANGE_WRITE:
      'a write to FEE0_0000h-FEEF_FFFFh is an interrupt when it is one aligned DWORD: no buffer may lie there',
    TRANSLATION_SPECIAL: 'FEE0_0000h-FEEF_FFFFh is no memory: the driver gave the device an address there',
    TRANSLATION_DISABLED: 'V and I of the device table entry: without both the device must have ATS off',
    PRETRANSLATED: 'I of the device table entry: the device still uses its device-TLB although it may not',
    INTERRUPT_PASID:
      'an interrupt carries no PASID: the address of what the device wrote lies at FEE0_0000h-FEEF_FFFFh',
  },
  'host tables': {
    NOT_PRESENT: `is the page mapped? PR of ${LAST_READ}; if a cache hit, was the domain invalidated?`,
    DENIED: `IR and IW of ${LAST_READ}, and of each above it: a level that forbids does so for all below`,
    RESERVED: `${LAST_READ}: undeclared bits of a present entry`,
    NEXT_LEVEL: `NextLevel of ${LAST_READ} must be below the level of the table that it stands in`,
    PAGE_SIZE: `with NextLevel 7 the lowest 0 bit of the address of ${LAST_READ} gives the size, which must be one between this level and the next`,
    SKIPPED: `${LAST_READ} skips levels: it serves only addresses whose bits of these levels are 0`,
    OUT_OF_RANGE:
      'the address against DTE.Mode, each level of which adds 9 bits: does the IOVA allocator know the limit?',
    TABLE_READ: `the address in ${LAST_READ}, or DTE.HostPTRoot: does the next table lie in RAM?`,
    FLAG_UPDATE: `DTE.HAD asks for accessed or dirty flags: can the table of ${LAST_READ} be written?`,
  },
  'guest tables': {
    NO_GUEST_TABLE: 'the device sends a PASID: GV of its device table entry, Control.GTEn and EFR.GTSup',
    PASID: 'the PASID against EFR.PASMax and DTE.GLX, each level of which holds 9 bits of it',
    GCR3_NOT_VALID: 'is the PASID bound? V of its GCR3 entry; if a cache hit, was it invalidated with PDE?',
    GCR3_RESERVED: `${LAST_READ}: bits 11:1 and 63:52 of a GCR3 entry are reserved`,
    GCR3_READ: 'DTE.GCR3 and Control.GCR3TRPMode: is the root a system address, and does the table lie in RAM?',
    GUEST_CANONICAL:
      'the address against DTE.GuestPagingMode: with a PASID it is sign-extended, without one zero-extended',
    GUEST_NOT_PRESENT: `is the page mapped in the process? P of ${LAST_READ}; the device may have to ask for it (PPR)`,
    GUEST_RESERVED: `${LAST_READ}: undeclared bits, and PS at a level that has no pages`,
    GUEST_DENIED: `RW of ${LAST_READ}, and of each above it; over a host table IW of its entries too`,
    GUEST_EXECUTE: `NX of ${LAST_READ}, and of each above it`,
    GUEST_USER: `US of ${LAST_READ}, and of each above it: the request does not say that it is privileged`,
    GUEST_READ: `the address in ${LAST_READ}: does the next guest table lie in RAM, and where does the host table put it?`,
  },
  interrupt: {
    INTERRUPT_INDEX: 'bits 10:0 of the data against DTE.IntTabLen and Control.NumIntRemapMode',
    INTERRUPT_OFF: 'RemapEn of the interrupt entry: was it written, and its cached copy invalidated?',
    INTERRUPT_RESERVED:
      'the interrupt entry against Control.GAEn, XTEn and GAMEn, which decide on its format; IntType above 1',
    INTERRUPT_READ: `${INTERRUPT_TABLE}: does the interrupt table lie in RAM?`,
    INTERRUPT_BACKING_PAGE: 'BackingPage of the interrupt entry: does the virtual APIC page of the guest lie in RAM?',
    INTERRUPT_ABORTED: 'DTE.IntCtl for fixed and arbitrated interrupts, InitPass, EIntPass and NMIPass for the others',
  },
} as const;

type Stage = keyof typeof BY_STAGE;

const STAGES = Object.keys(BY_STAGE) as Stage[];

export const FAULT_HINTS: Readonly<Record<FaultName, string>> = {
  ...BY_STAGE['device table'],
  ...BY_STAGE.request,
  ...BY_STAGE['host tables'],
  ...BY_STAGE['guest tables'],
  ...BY_STAGE.interrupt,
};

/** The part of the procedure in which a condition is found. */
export function stageOf(name: FaultName): Stage {
  return STAGES.find((stage) => Object.hasOwn(BY_STAGE[stage], name))!;
}
