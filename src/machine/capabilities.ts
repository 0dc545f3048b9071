/**
 * What the capability registers of remapping units read (VER, CAP and ECAP; EFR and EFR2): real machines, recorded
 * virtual ones, and for each vendor one that has everything. A set says what a unit can do; whether a unit with all of that exists here yet, `buildMachine` knows.
 */
import { EFR, EFR2, GVAsize, MISC_INFO_0 } from '../../hardware/amdvi/spec/index.ts';
import { encode, hex, joinHalves } from '../../hardware/bits/index.ts';
import { CAP, ECAP, VER } from '../../hardware/vtd/spec/index.ts';

export interface CapabilitySet {
  readonly ver: string;
  readonly cap: string;
  readonly ecap: string;
  /** Bits of a host physical address; the DMAR table says it, no register does. */
  readonly hostAddressWidth: number;
}

const VERSION_6 = hex(encode(VER, { MAX: 6 })[0]!);
/** What units for shared virtual memory have (`modern`). */
const MODERN_CAP = encode(CAP, {
  ND: 6,
  SAGAW: 0b01100,
  MGAW: 56,
  ZLR: 1,
  FRO: 0x400 / 16,
  SSLPS: 0b11,
  PSI: 1,
  NFR: 7,
  MAMV: 18,
  DWD: 1,
  DRD: 1,
  FS1GP: 1,
  PI: 1,
  FS5LP: 1,
  ESIRTPS: 1,
  ESRTPS: 1,
});
const MODERN_ECAP = {
  C: 1,
  QI: 1,
  DT: 1,
  IR: 1,
  EIM: 1,
  PT: 1,
  SC: 1,
  IRO: 0x500 / 16,
  MHMV: 15,
  NEST: 1,
  PRS: 1,
  SRS: 1,
  NWFS: 1,
  EAFS: 1,
  PSS: 19,
  PASID: 1,
  DIT: 1,
  PDS: 1,
  SMTS: 1,
  SSADS: 1,
  SSTS: 1,
  FSTS: 1,
  SMPWCS: 1,
  RPS: 1,
  ADMS: 1,
  RPRIVS: 1,
  SMS: 1,
} as const;

/**
 * Intel units by the machine that has them. CAP and ECAP of the Xeon E3 and E5 generations are those of the machines in
 * the pcie-bench data set (sys-dmesg.txt of each measurement, github.com/pcie-bench/data). VER 1.0, and where no other
 * source is named the host address width, are from kernel logs that report the same CAP and ECAP.
 */
export const intelCapabilities = {
  /** Xeon E5, Sandy Bridge (2012): pcie-bench. Host address width: logs of such units (`DMAR: Host address width 46`). */
  'sandy-bridge-ep': { ver: '0x10', cap: '0xd2078c106f0462', ecap: '0xf020fe', hostAddressWidth: 46 },
  /** Xeon E5 v2, Ivy Bridge (2013): pcie-bench. VER and host address width as in the generations before and after. */
  'ivy-bridge-ep': { ver: '0x10', cap: '0xd2078c106f0466', ecap: '0xf020de', hostAddressWidth: 46 },
  /** Xeon E5 v3, Haswell (2014): pcie-bench. Host address width: logs of such units. */
  'haswell-ep': { ver: '0x10', cap: '0xd2078c106f0466', ecap: '0xf020df', hostAddressWidth: 46 },
  /** Xeon E3 v3, Haswell (2013): pcie-bench. VER and host address width as of other client chips, CAP.MGAW being 39. */
  'haswell-e3': { ver: '0x10', cap: '0xd2008020660462', ecap: '0xf010da', hostAddressWidth: 39 },
  /**
   * Xeon E5 v4, Broadwell (2016), and the Xeon Scalable generations up to Cascade Lake: pcie-bench; kernel logs of a Xeon
   * Gold 6146 and in github.com/utcs-scea/LAKE issue 10.
   */
  'broadwell-ep': { ver: '0x10', cap: '0x8d2078c106f0466', ecap: '0xf020df', hostAddressWidth: 46 },
  /** Core, 12th generation and later, the unit of everything but graphics: `ver 5:0` in kernel logs with 39 address bits. */
  'alder-lake': { ver: '0x50', cap: '0xd2008c40660462', ecap: '0xf050da', hostAddressWidth: 39 },
  /** The same chips' graphics unit, `ver 4:0` in those logs: with device TLBs, without invalidation by page. */
  'alder-lake-graphics': { ver: '0x40', cap: '0x1c0000c40660462', ecap: '0x29a00f0505e', hostAddressWidth: 39 },
  /**
   * A server with scalable mode and nesting, without page requests: `ver 6:0` in a kernel log (README.md of a public
   * repository called x86_ir_table, which does not name the chip). Host address width: not in the log, chosen.
   */
  'scalable-server': { ver: '0x60', cap: '0x9ed008c40780466', ecap: '0x3ee9e86f050df', hostAddressWidth: 52 },

  /** QEMU 11.1 `intel-iommu`, profile legacy48 of the recorded corpus. Host address width = CAP.MGAW in all profiles. */
  'qemu-legacy': { ver: '0x10', cap: '0x80d2008c222f0606', ecap: '0xf00f4a', hostAddressWidth: 48 },
  /** `aw-bits=39`, profile legacy39. */
  'qemu-legacy-39': { ver: '0x10', cap: '0x80d2008c22260206', ecap: '0xf00f4a', hostAddressWidth: 39 },
  /** `caching-mode=on`, profile legacy48cm. */
  'qemu-caching-mode': { ver: '0x10', cap: '0x80d2008c222f0686', ecap: '0xf00f4a', hostAddressWidth: 48 },
  /** `device-iotlb=on`, profile legacy48dt. */
  'qemu-device-tlb': { ver: '0x10', cap: '0x80d2008c222f0606', ecap: '0xf00f4e', hostAddressWidth: 48 },
  /** `snoop-control=on`, profile legacy48sc. */
  'qemu-snoop-control': { ver: '0x10', cap: '0x80d2008c222f0606', ecap: '0xf00fca', hostAddressWidth: 48 },
  /** `scalable-mode=on`, profile s2_48: second stage only. */
  'qemu-second-stage': { ver: '0x10', cap: '0x80d2008c222f0606', ecap: '0x480080f00f4a', hostAddressWidth: 48 },
  /** `scalable-mode=on,aw-bits=39`, profile s2_39. */
  'qemu-second-stage-39': { ver: '0x10', cap: '0x80d2008c22260206', ecap: '0x480080f00f4a', hostAddressWidth: 39 },
  /** `scalable-mode=on,fsts=on`, profile s1_48: first stage only. */
  'qemu-first-stage': { ver: '0x10', cap: '0x81d2008c222f0606', ecap: '0x880000f00f4a', hostAddressWidth: 48 },

  /**
   * No machine: what the specification offers a unit for shared virtual memory (revision 5.10, 11.4.2 and 11.4.3).
   * Scalable mode with PASIDs of 20 bits, nesting, page requests, both stages with 5 levels and every page size, accessed
   * and dirty flags at both, posted interrupts. Without host permission tables, enhanced commands, and what only exists
   * beside a CPU (memory types, TDX, RDT).
   */
  modern: { ver: VERSION_6, cap: quad(MODERN_CAP), ecap: quad(encode(ECAP, MODERN_ECAP)), hostAddressWidth: 52 },
  /** No machine: the same with host permission tables, for which revision 5.0 made room. */
  'modern-host-permissions': {
    ver: VERSION_6,
    cap: quad(MODERN_CAP),
    ecap: quad(encode(ECAP, { ...MODERN_ECAP, HPTS: 1, PTRS: 1, HPT1GPS: 1 })),
    hostAddressWidth: 52,
  },
} as const satisfies Readonly<Record<string, CapabilitySet>>;

export interface AmdCapabilitySet {
  readonly efr: string;
  readonly efr2: string;
  /** Of the capability block: what software learns about the sizes of addresses. */
  readonly miscInfo0: string;
  readonly hostAddressWidth: number;
}

/** No log shows Misc Info 0: 48 bits of guest virtual and 64 of I/O virtual address are what coreboot and QEMU report. */
function amd(efr: string, efr2: string, hostAddressWidth: number): AmdCapabilitySet {
  const sizes = encode(MISC_INFO_0, { GVAsize: GVAsize.BITS_48, PAsize: hostAddressWidth, VAsize: 64 });
  return { efr, efr2, miscInfo0: hex(sizes[0]!), hostAddressWidth };
}

/**
 * AMD units by the machine that has them. EFR and EFR2 are from public Linux logs (`AMD-Vi: Extended features (…)`, with
 * `Using global IVHD EFR:…, EFR2:…` in newer kernels); which chip a value belongs to, only as sure as each line says. The
 * same logs report 2 banks of 4 counters. Host address widths are chosen: 48 bits as those CPUs have, 52 from Zen 4 on.
 */
export const amdCapabilities = {
  /** Ryzen and EPYC, Zen (2017): logs of both; firmware of some says 0x400f77ef22294ada in the IVRS table instead. */
  zen: amd('0xf77ef22294ada', '0x0', 48),
  /** Ryzen APU, Zen (2018): logs of laptops, Linux's document on IOMMU boot messages. */
  'zen-apu': amd('0x4f77ef22294ada', '0x0', 48),
  /** Ryzen desktop, Zen 2 and Zen 3 (2019): many logs. Without the virtual APIC (GASup is 0). */
  'zen2-desktop': amd('0x58f77ef22294a5a', '0x0', 48),
  /** EPYC and Threadripper, Zen 2 and Zen 3 (2019): logs of servers with four units. */
  'zen2-server': amd('0x58f77ef22294ade', '0x0', 48),
  /** Ryzen APU, Renoir (2020) and Cezanne: a log of a Ryzen 3 4300G and many of laptops. */
  'zen2-apu': amd('0x206d73ef22254ade', '0x0', 48),
  /** Ryzen, Zen 4 (2022): logs report EFR2 as 0x10 or, with other firmware, 0. Which chips, the logs say less surely. */
  zen4: amd('0x246577efa2254afa', '0x10', 52),
  /** EPYC with units in four PCI segments: one log, in github.com/openvelinux/kernel pull request 50. EFR2 is not in it. */
  'epyc-four-segments': amd('0xa5bf732fa2295afe', '0x0', 52),

  /** No machine: host tables of six levels and nothing else that software would have to know. */
  'host-tables': amd(quad(encode(EFR, { IASup: 1, HATS: 2 })), '0x0', 48),
  /**
   * No machine: what shared virtual memory asks for. Guest tables of five levels, PASIDs of 20 bits, page requests, guest
   * translation without PASID, roots of GCR3 tables at guest addresses, accessed and dirty flags in host tables, virtual APICs,
   * counters.
   */
  full: amd(
    quad(
      encode(EFR, {
        PreFSup: 1,
        PPRSup: 1,
        XTSup: 1,
        NXSup: 1,
        GTSup: 1,
        IASup: 1,
        GASup: 1,
        HESup: 1,
        PCSup: 1,
        HATS: 2,
        GATS: 1,
        GLXSup: 2,
        GAMSup: 1,
        DualPprLogSup: 2,
        DualEventLogSup: 2,
        PASMax: 19,
        USSup: 1,
        DevTblSegSup: 3,
        PprOvrflwEarlySup: 1,
        PPRAutoRspSup: 1,
        BlkStopMrkSup: 1,
        MsiCapMmioSup: 1,
        GIoSup: 1,
        HASup: 1,
        EPHSup: 1,
        HDSup: 1,
      }),
    ),
    quad(encode(EFR2, { GCR3TRPModeSup: 1 })),
    52,
  ),
} as const satisfies Readonly<Record<string, AmdCapabilitySet>>;

function quad(words: Uint32Array): string {
  return hex(joinHalves(words.at(-1)!, words.at(-2)!));
}
