/** Holds the declared registers of AMD-Vi against places and masks that were transcribed by hand from the fact sheet. */
import { describe, expect, it } from 'vitest';
import * as spec from '../../hardware/amdvi/spec/index.ts';
import { type Access, type AnyLayout, encode, joinWords, layoutsOf, maskOf } from '../../hardware/bits/index.ts';

type Masks = Readonly<Partial<Record<Access, bigint>>>;

const PAGE = 0x000f_ffff_ffff_f000n;
const RING = PAGE | 0x0f00_0000_0000_0000n;
const POINTER = 0x7_fff0n;
const REVISIONED = 0xffff_ffffn;
const EARLY = 0xc000_7fffn;
const XT = 0xff00_01ff_ffff_ff04n;

// biome-ignore format: one register, one line, as in the sheet's table.
const REGISTERS: readonly (readonly [of: AnyLayout, offset: number, bits: number, masks: Masks])[] = [
  [spec.DEVICE_TABLE_BASE, 0x0000, 64, { RW: PAGE | 0x1ffn }],
  [spec.COMMAND_BUFFER_BASE, 0x0008, 64, { RW: RING }],
  [spec.EVENT_LOG_BASE, 0x0010, 64, { RW: RING }],
  [spec.CONTROL, 0x0018, 64, { RW: 0xfdfd_ffff_ffff_ffffn }],
  [spec.EXCLUSION_BASE, 0x0020, 64, { RW: PAGE | 0b11n }],
  [spec.EXCLUSION_LIMIT, 0x0028, 64, { RW: PAGE, RO: 0xfffn }],
  [spec.EFR, 0x0030, 64, { RO: 0xffff_ffff_b3ff_ffffn }],
  [spec.PPR_LOG_BASE, 0x0038, 64, { RW: RING }],
  [spec.HARDWARE_EVENT_UPPER, 0x0040, 64, { RW: 0xffff_ffff_ffff_ffffn }],
  [spec.HARDWARE_EVENT_LOWER, 0x0048, 64, { RW: 0xffff_ffff_ffff_ffffn }],
  [spec.HARDWARE_EVENT_STATUS, 0x0050, 64, { RW1C: 0b11n }],
  [spec.SMI_FILTER[0]!, 0x0060, 64, { RW: 0x3_ffffn }],
  [spec.SMI_FILTER[15]!, 0x00d8, 64, { RW: 0x3_ffffn }],
  [spec.GA_LOG_BASE, 0x00e0, 64, { RW: RING }],
  [spec.GA_LOG_TAIL_ADDRESS, 0x00e8, 64, { RW: 0x000f_ffff_ffff_fff8n }],
  [spec.PPR_LOG_B_BASE, 0x00f0, 64, { RW: RING }],
  [spec.EVENT_LOG_B_BASE, 0x00f8, 64, { RW: RING }],
  [spec.DEVICE_TABLE_SEGMENT[0]!, 0x0100, 64, { RW: PAGE | 0xffn }],
  [spec.DEVICE_TABLE_SEGMENT[6]!, 0x0130, 64, { RW: PAGE | 0xffn }],
  [spec.DSFX, 0x0138, 64, { RO: REVISIONED }],
  [spec.DSCX, 0x0140, 64, { RW: REVISIONED }],
  [spec.DSSX, 0x0148, 64, { RW: REVISIONED }],
  [spec.MSI_VECTOR_0, 0x0150, 32, { RO: 0xf87f_ffffn }],
  [spec.MSI_VECTOR_1, 0x0154, 32, { RW: 0x1fn }],
  [spec.MSI_CAPABILITY_HEADER, 0x0158, 32, { RO: 0x008e_ffffn, RW: 0x0071_0000n }],
  [spec.MSI_ADDRESS_LOW, 0x015c, 32, { RW: 0xffff_fffcn }],
  [spec.MSI_ADDRESS_HIGH, 0x0160, 32, { RW: 0xffff_ffffn }],
  [spec.MSI_DATA, 0x0164, 32, { RW: 0xffffn }],
  [spec.MSI_MAPPING, 0x0168, 32, { RO: 0xf803_ffffn }],
  [spec.PERFORMANCE_OPTIMIZATION, 0x016c, 32, { RW: 0x2000n }],
  [spec.XT_GENERAL_INTERRUPT, 0x0170, 64, { RW: XT }],
  [spec.XT_PPR_INTERRUPT, 0x0178, 64, { RW: XT }],
  [spec.XT_GA_INTERRUPT, 0x0180, 64, { RW: XT }],
  [spec.VIOMMU_STATUS, 0x0190, 64, {}],
  [spec.EFR2, 0x01a0, 64, { RO: 0xbfen }],
  [spec.MARC[0]!, 0x0200, 64, { RW: PAGE }],
  [spec.MARC[1]!, 0x0208, 64, { RW: PAGE | 0b11n }],
  [spec.MARC[2]!, 0x0210, 64, { RW: PAGE }],
  [spec.MARC[9]!, 0x0248, 64, { RW: PAGE }],
  [spec.MARC[11]!, 0x0258, 64, { RW: PAGE }],
  [spec.RESERVED_1FF8, 0x1ff8, 64, { RW: 0xffff_ffff_ffff_ffffn }],
  [spec.COMMAND_HEAD, 0x2000, 64, { RW: POINTER }],
  [spec.COMMAND_TAIL, 0x2008, 64, { RW: POINTER }],
  [spec.EVENT_HEAD, 0x2010, 64, { RW: POINTER }],
  [spec.EVENT_TAIL, 0x2018, 64, { RW: POINTER }],
  [spec.STATUS, 0x2020, 64, { RO: 0x1_1198n, RW1C: 0x6_8e67n }],
  [spec.PPR_HEAD, 0x2030, 64, { RW: POINTER }],
  [spec.PPR_TAIL, 0x2038, 64, { RW: POINTER }],
  [spec.GA_HEAD, 0x2040, 64, { RW: 0x3_fff8n }],
  [spec.GA_TAIL, 0x2048, 64, { RW: 0x3_fff8n }],
  [spec.PPR_B_HEAD, 0x2050, 64, { RW: POINTER }],
  [spec.PPR_B_TAIL, 0x2058, 64, { RW: POINTER }],
  [spec.EVENT_B_HEAD, 0x2070, 64, { RW: POINTER }],
  [spec.EVENT_B_TAIL, 0x2078, 64, { RW: POINTER }],
  [spec.PPR_AUTO_RESPONSE, 0x2080, 64, { RW: 0x1fn }],
  [spec.PPR_OVERFLOW_EARLY, 0x2088, 64, { RW: EARLY }],
  [spec.PPR_B_OVERFLOW_EARLY, 0x2090, 64, { RW: EARLY }],
  [spec.COUNTER_CONFIGURATION, 0x4000, 64, { RO: 0x3_f780n }],
  [spec.COUNTER_PASID_LOCK, 0x4008, 64, { RW: 0xffff_ffff_ffff_ffffn }],
  [spec.COUNTER_DOMAIN_LOCK, 0x4010, 64, { RW: 0xffff_ffff_ffff_ffffn }],
  [spec.COUNTER_DEVICE_LOCK, 0x4018, 64, { RW: 0xffff_ffff_ffff_ffffn }],
];

// biome-ignore format: as above.
const PLACED_ELSEWHERE: readonly (readonly [of: AnyLayout, bits: number, masks: Masks])[] = [
  [spec.CAPABILITY_HEADER, 32, { RO: 0x1fff_ffffn }],
  [spec.BASE_ADDRESS_LOW, 32, { RW1S: 1n, RW: 0xffff_c000n }],
  [spec.BASE_ADDRESS_HIGH, 32, { RW: 0xffff_ffffn }],
  [spec.RANGE, 32, { RO: 0xffff_ff9fn }],
  [spec.MISC_INFO_0, 32, { RO: 0xf87f_ffffn }],
  [spec.MISC_INFO_1, 32, { RO: 0x1fn }],
  [spec.COUNTER, 64, { RW: 0xffff_ffff_ffffn }],
  [spec.COUNTER_SOURCE, 64, { RW: 0xc000_00ffn }],
  [spec.COUNTER_PASID_MATCH, 64, { RW: 0xf_ffff_800f_ffffn }],
  [spec.COUNTER_DOMAIN_MATCH, 64, { RW: 0xffff_8000_ffffn }],
  [spec.COUNTER_DEVICE_MATCH, 64, { RW: 0xffff_8000_ffffn }],
  [spec.COUNTER_REPORT, 64, { RW: 0x800f_ffff_ffff_ffffn }],
];

function masksOf(of: AnyLayout): Masks {
  const classes = new Set(of.$.fields.map((field) => field.spec.access));
  return Object.fromEntries(
    [...classes].map((access) => [access, joinWords(maskOf(of, (field) => field.spec.access === access))]),
  );
}

/** Each name once per bit, from bit 0 on; a dash is a reserved bit. */
function bitNames(of: AnyLayout): string[] {
  const names = new Array<string>(of.$.bits).fill('-');
  for (const { name, spec: place } of of.$.fields) names.fill(name, place.lo, place.hi + 1);
  return names.map((name, n) => (n > 0 && name !== '-' && names[n - 1] === name ? '"' : name));
}

const words = (text: string): string[] => text.trim().split(/\s+/);

describe('Registers of AMD-Vi', () => {
  it.each(REGISTERS.map((row) => [row[0].$.name, ...row] as const))(
    '%s has the place, the bits and the access classes of its row.',
    (_, of, offset, bits, masks) => {
      expect([of.$.offset, of.$.bits]).toEqual([offset, bits]);
      expect(masksOf(of)).toEqual(masks);
    },
  );

  it.each(PLACED_ELSEWHERE.map((row) => [row[0].$.name, ...row] as const))(
    '%s, which a capability or a bank places, has the bits and the access classes of its row.',
    (_, of, bits, masks) => {
      expect([of.$.offset, of.$.bits]).toEqual([undefined, bits]);
      expect(masksOf(of)).toEqual(masks);
    },
  );

  it('that are one of several stand at equal distances.', () => {
    expect(spec.SMI_FILTER.map(({ $ }) => $.offset! - 0x60)).toEqual([...Array(16).keys()].map((n) => n * 8));
    expect(spec.DEVICE_TABLE_SEGMENT.map(({ $ }) => $.offset! - 0x100)).toEqual([0, 8, 16, 24, 32, 40, 48]);
    expect(spec.MARC.filter((_, i) => i % 3 === 0).map(({ $ }) => $.offset)).toEqual([0x200, 0x218, 0x230, 0x248]);
  });

  it('do not overlap, and none is left out of the register map.', () => {
    const mapped = Object.values(spec.REGISTERS).flat() as AnyLayout[];
    const inOrder = [...mapped].sort((a, b) => a.$.offset! - b.$.offset!);
    for (const [i, { $ }] of inOrder.entries()) {
      const next = inOrder[i + 1]?.$.offset ?? spec.COUNTER_BANKS;
      expect($.offset! + $.bits / 8, $.name).toBeLessThanOrEqual(next);
    }
    const fixed = layoutsOf(spec).filter(({ $ }) => $.offset !== undefined);
    expect(new Set(mapped)).toEqual(new Set(fixed));
  });

  it('begin with nothing but ring lengths and the ones of the limit set.', () => {
    const values = Object.values(spec.POWER_ON).flat();
    const all = values.map(({ register, values }) => [register.$.offset, joinWords(encode(register, values))]);
    expect(Object.fromEntries(all)).toEqual({
      8: 0x0800_0000_0000_0000n,
      16: 0x0800_0000_0000_0000n,
      40: 0xfffn,
      56: 0x0800_0000_0000_0000n,
      224: 0x0800_0000_0000_0000n,
      240: 0x0800_0000_0000_0000n,
      248: 0x0800_0000_0000_0000n,
    });
  });
});

describe('Bits of AMD-Vi, in their order,', () => {
  it('are those of Control.', () => {
    expect(bitNames(spec.CONTROL)).toEqual(
      words(`
      IommuEn HtTunEn EventLogEn EventIntEn ComWaitIntEn InvTimeOut " "
      PassPW ResPassPW Coherent Isoc CmdBufEn PPRLogEn PPRIntEn PPREn
      GTEn GAEn CRW " " " SmiFEn SlfWBDis
      SmiFLogEn GAMEn " " GALogEn GAIntEn DualPprLogEn "
      DualEventLogEn " DevTblSegEn " " PrivAbrtEn " PprAutoRspEn
      MarcEn BlkStopMrkEn PprAutoRspAon NumIntRemapMode " EPHEn HADUpdate "
      GDUpdateDis - XTEn IntCapXTEn vCmdEn vIommuEn GAUpdateDis GAPPIEn
      TMPMEn - GCR3TRPMode IRTCacheDis GstBufferTRPMode SNPAVICEn " "`),
    );
  });

  it('are those of Extended Feature.', () => {
    expect(bitNames(spec.EFR)).toEqual(
      words(`
      PreFSup PPRSup XTSup NXSup GTSup GAPPISup IASup GASup
      HESup PCSup HATS " GATS " GLXSup "
      SmiFSup " SmiFRC " " GAMSup " "
      DualPprLogSup " - - DualEventLogSup " - SATSSup
      PASMax " " " " USSup DevTblSegSup "
      PprOvrflwEarlySup PPRAutoRspSup MarcSup " BlkStopMrkSup PerfOptSup MsiCapMmioSup SnoopAttrSup
      GIoSup HASup EPHSup AttrFWSup HDSup V2HDDisSup InvIotlbTypeSup vIommuSup
      VMGuardIoSup VMTableSize " " " GAUpdateDisSup ForcePhyDestSup SNPSup`),
    );
  });

  it('are those of Extended Feature 2.', () => {
    expect(bitNames(spec.EFR2).slice(0, 12)).toEqual(
      words('- SEVSNPIOSup TMPMSup GCR3TRPModeSup GAPPIDisSup SNPAVICSup " " NumIntRemapSup " - HtRangeIgnore'),
    );
  });

  it('are those of Status.', () => {
    expect(bitNames(spec.STATUS).slice(0, 19)).toEqual(
      words(`
      EventOverflow EventLogInt ComWaitInt EventLogRun CmdBufRun PprOverflow PprInt PprLogRun
      GALogRun GALOverflow GAInt PprOvrflwB PprLogActive - - EvtOvrflwB
      EvtLogActive PprOvrflwEarlyB PprOvrflwEarly`),
    );
  });
});

describe('What the unit logs', () => {
  it('is, for a write of a user with PASID 12345h in group 5, its last request, this PPR entry.', () => {
    const entry = encode(spec.PPR_LOG_ENTRY, {
      DeviceID: 0x0200,
      PASID_15_0: 0x2345,
      PASID_19_16: 1,
      PRGIndex: 5,
      Last: 1,
      WRITE: 1,
      US: 1,
      GN: 1,
      Code: spec.PprCode.PAGE_SERVICE_REQUEST,
      PageAddress: 0x7fff_1234_5n,
    });
    expect([joinWords(entry, 0, 2), joinWords(entry, 2, 2)]).toEqual([0x1160_0605_2345_0200n, 0x0000_7fff_1234_5000n]);
  });

  it('has the flags EXEC, READ, WRITE, US, RZ and GN at 002, 004, 020, 040, 080 and 100 of bits 59:48.', () => {
    const flags = (['EXEC', 'READ', 'WRITE', 'US', 'RZ', 'GN'] as const).map((name) =>
      Number(joinWords(encode(spec.PPR_LOG_ENTRY, { [name]: 1 })) >> 48n),
    );
    expect(flags).toEqual([0x002, 0x004, 0x020, 0x040, 0x080, 0x100]);
  });

  it('is, for a guest’s interrupt, this GA entry.', () => {
    const entry = encode(spec.GA_LOG_ENTRY, { GATag: 0xcafe_0001, DeviceID: 0x0108, Code: spec.GaCode.GUEST_NR });
    expect(joinWords(entry)).toBe(0x1000_0108_cafe_0001n);
  });
});
