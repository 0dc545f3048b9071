/** The fault conditions of scalable mode above the page tables (vtd.md section 4.1), each as tables and requests. */
import type { Capability } from './capability.ts';
import {
  type ContextFields,
  type Extra,
  HOLE,
  PASID,
  type PasidFields,
  Pgtt,
  RID_PASID,
  type ScalableBench,
} from './scalable.ts';
import { CONTEXT, CONTEXT_BUS_1, ROOT, SID } from './tables.ts';

export interface Ask extends Extra {
  readonly address?: bigint;
  readonly write?: boolean;
  readonly length?: number;
  /** Device and function; SID if not given. */
  readonly requester?: number;
}

export interface Condition {
  readonly fr: number;
  /** Name of the condition and what provokes it. */
  readonly name: string;
  readonly options?: Capability & { readonly haw?: number };
  readonly pasid?: PasidFields;
  readonly context?: ContextFields;
  /** Changes the tables when they stand. */
  readonly set?: (bench: ScalableBench) => void;
  readonly rtaddr?: bigint;
  /** Requests that all meet the condition. */
  readonly asks: readonly Ask[];
  /** Levels whose FPD the walk has met: 0 none, 1 context entry, 2 directory entry, 3 PASID-table entry. */
  readonly met: 0 | 1 | 2 | 3;
  readonly unqualified?: true;
  /** Answer, where it is not UR. */
  readonly answer?: 'CA';
  /** What the condition proves beside the fault reason. */
  readonly rows?: readonly string[];
}

export const ALONE: readonly Ask[] = [{}, { write: true }];
export const WITH_PASID: readonly Ask[] = [
  { pasid: PASID },
  { pasid: PASID, write: true },
  { pasid: PASID, privileged: true },
];
/** Untranslated requests of every kind. */
export const UNTRANSLATED: readonly Ask[] = [...ALONE, { pasid: PASID }, { pasid: PASID, write: true }];
export const TRANSLATED: readonly Ask[] = [{ addressType: 'translated' }, { addressType: 'translated', write: true }];
const ANY: readonly Ask[] = [...UNTRANSLATED, ...TRANSLATED];
const pasids = (pasid: number): Ask[] => WITH_PASID.map((ask) => ({ ...ask, pasid }));
const checked: ContextFields = { hpte: true, eptr: true };
/** With HPTE translated requests reach the PASID table, and an error there is a completer abort. */
const reach = [
  { context: {}, asks: UNTRANSLATED, via: 'untranslated' },
  { context: checked, asks: [...TRANSLATED, { addressType: 'translated', pasid: PASID }], via: 'translated' },
] as const;

/** A condition of the PASID tables, met by untranslated requests and through HPTE by translated ones. */
const tables = (one: Omit<Condition, 'asks'>, translated: 'UR' | 'CA' = 'CA'): Condition[] =>
  reach.map(({ context, asks, via }) => ({
    ...one,
    name: `${one.name}, ${via}`,
    context: { ...one.context, ...context },
    asks,
    ...(via === 'translated' && translated === 'CA' ? { answer: 'CA' as const } : {}),
  }));
const rta = (one: Pick<Condition, 'name' | 'fr' | 'rtaddr' | 'options'>): Condition => ({
  ...one,
  asks: ANY,
  met: 0,
  unqualified: true,
});

const INVALID_KINDS = [0, 5, 6, 7];

export const TABLE_CONDITIONS: readonly Condition[] = [
  rta({ fr: 0x30, name: 'RTA.1.1: TTM is 11 and ADMS is 0', rtaddr: ROOT | 0xc00n }),
  rta({ fr: 0x30, name: 'RTA.1.2: TTM is 10', rtaddr: ROOT | 0x800n }),
  { ...rta({ fr: 0x30, name: 'RTA.1.3: TTM is 01 and SMTS is 0', options: { smts: false } }), asks: UNTRANSLATED },
  { ...rta({ fr: 0x31, name: 'RTA.2: TTM is 00, with PASID', rtaddr: ROOT }), asks: WITH_PASID },
  rta({ fr: 0x33, name: 'RTA.4: TTM is 11 and ADMS is 1', rtaddr: ROOT | 0xc00n, options: { adms: true } }),
  {
    ...rta({ fr: 0x34, name: 'RTA.5: execution, major version 8', options: { major: 8 } }),
    asks: [
      { pasid: PASID, execute: true },
      { pasid: PASID, execute: true, privileged: true },
    ],
  },
  rta({ fr: 0x38, name: 'SRT.1: the root table is no memory', rtaddr: HOLE | 0x400n }),
  { ...rta({ fr: 0x39, name: 'SRT.2: LP is 0' }), set: (b) => b.root(CONTEXT, CONTEXT_BUS_1 | 1n) },
  {
    ...rta({ fr: 0x39, name: 'SRT.2: UP is 0, devices from 16 on' }),
    set: (b) => b.root(CONTEXT | 1n, CONTEXT_BUS_1),
    asks: [{ requester: 0x80 }, { requester: 0xff, pasid: PASID }],
  },
  { ...rta({ fr: 0x3a, name: 'SRT.3: bit 1 of the lower half' }), set: (b) => b.root(CONTEXT | 3n) },
  { ...rta({ fr: 0x3a, name: 'SRT.3: LCTP beyond HAW' }), set: (b) => b.root(CONTEXT | (1n << 48n) | 1n) },
  {
    ...rta({ fr: 0x3a, name: 'SRT.3: bit 75 of the upper half' }),
    set: (b) => b.root(CONTEXT | 1n, CONTEXT_BUS_1 | 0x801n),
    asks: [{ requester: 0x80 }],
  },
  { ...rta({ fr: 0x40, name: 'SCT.1: the context table is no memory' }), set: (b) => b.root(HOLE | 1n) },
  { fr: 0x41, name: 'SCT.2: P is 0', context: { p: false }, asks: ANY, met: 1 },
  ...[7, 8, 48, 85, 127, 128, 255].map(
    (bit): Condition => ({ fr: 0x42, name: `SCT.3: bit ${bit}`, context: { bits: [bit] }, asks: ANY, met: 1 }),
  ),
  { fr: 0x42, name: 'SCT.3: PRE while PRS is 0', options: { prs: false }, context: { pre: true }, asks: ANY, met: 1 },
  { fr: 0x42, name: 'SCT.3: RID_PASID while RPS is 0', options: { rps: false }, asks: ANY, met: 1 },
  {
    fr: 0x42,
    name: 'SCT.3: RID_PRIV while RPRIVS is 0',
    options: { rprivs: false },
    context: { ridPriv: true },
    asks: ANY,
    met: 1,
  },
  {
    fr: 0x42,
    name: 'SCT.3: HPTE while HPTS is 0',
    options: { hpts: false },
    context: { hpte: true },
    asks: ANY,
    met: 1,
  },
  {
    fr: 0x42,
    name: 'SCT.3: EPTR while PTRS is 0',
    options: { ptrs: false },
    context: { eptr: true },
    asks: ANY,
    met: 1,
    rows: ['scalable-mode context entry.EPTR'],
  },
  { fr: 0x42, name: 'SCT.3: PASIDE while ECAP.PASID is 0', options: { pasid: false }, asks: ALONE, met: 1 },
  { fr: 0x43, name: 'SCT.4.1: PRE is 1 and DTE is 0', context: { pre: true, dte: false }, asks: ANY, met: 1 },
  { fr: 0x43, name: 'SCT.4.2: RID_PASID is above PDTS', context: { ridPasid: 0x2000 }, asks: ANY, met: 1 },
  {
    fr: 0x43,
    name: 'SCT.4.3: EPTR is 1 and PASIDE is 0',
    context: { eptr: true, paside: false },
    asks: [...ALONE, ...TRANSLATED, { addressType: 'translated', pasid: PASID }],
    met: 1,
  },
  { fr: 0x44, name: 'SCT.5: DTE is 0, a translated request', context: { dte: false }, asks: TRANSLATED, met: 1 },
  { fr: 0x45, name: 'SCT.6: PASIDE is 0', context: { paside: false }, asks: WITH_PASID, met: 1 },
  { fr: 0x46, name: 'SCT.7: the PASID is above PDTS 0', asks: pasids(0x2000), met: 1 },
  { fr: 0x46, name: 'SCT.7: the PASID is above PDTS 2', context: { pdts: 2 }, asks: pasids(0x8000), met: 1 },
  {
    fr: 0x46,
    name: 'SCT.7: translated',
    context: { eptr: true },
    asks: [{ addressType: 'translated', pasid: 0x2000 }],
    met: 1,
  },
  { fr: 0x48, name: 'SCT.9: the PASID is RID_PASID', asks: pasids(RID_PASID), met: 1 },
  { fr: 0x49, name: 'SCT.10: EPTR is 0', asks: [{ addressType: 'translated', pasid: PASID }], met: 1 },
  { fr: 0x89, name: 'SGN.10: the PASID is above PSS', options: { pss: 3 }, asks: pasids(16), met: 1 },
  ...tables({
    fr: 0x50,
    name: 'SPD.1: the directory is no memory',
    context: { directory: HOLE },
    met: 1,
    unqualified: true,
  }),
  ...tables({ fr: 0x51, name: 'SPD.2: P is 0', set: (b) => b.directory(b.read64(0x5000n) & ~1n), met: 2 }, 'UR'),
  ...[2, 11, 48, 63].flatMap((bit) =>
    tables({
      fr: 0x52,
      name: `SPD.3: bit ${bit}`,
      set: (b) => b.directory(b.read64(0x5000n) | (1n << BigInt(bit))),
      met: 2,
    }),
  ),
  ...tables({
    fr: 0x58,
    name: 'SPT.1: the PASID table is no memory',
    set: (b) => b.directory((b.read64(0x5000n) & 3n) | HOLE),
    met: 2,
    unqualified: true,
  }),
  ...tables({ fr: 0x59, name: 'SPT.2: P is 0', pasid: { p: false }, met: 3 }, 'UR'),
  ...[5, 10, 11, 80, 86, 91, 95, 129, 136, 139, 192, 259, 336, 511].flatMap((bit) =>
    tables({ fr: 0x5a, name: `SPT.3: bit ${bit}`, pasid: { bits: [bit] }, met: 3 }),
  ),
  ...tables({ fr: 0x5a, name: 'SPT.3: FSPTPTR beyond HAW', pasid: { bits: [128 + 48] }, met: 3 }),
  ...tables({ fr: 0x5a, name: 'SPT.3: DID beyond ND', options: { nd: 2 }, pasid: { bits: [72] }, met: 3 }),
  ...tables({ fr: 0x5a, name: 'SPT.3: PGSNP while SC is 0', options: { sc: false }, pasid: { pgsnp: true }, met: 3 }),
  ...tables({
    fr: 0x5a,
    name: 'SPT.3: SRE while SRS is 0',
    options: { srs: false, rprivs: false },
    pasid: { sre: true },
    met: 3,
  }),
  ...tables({
    fr: 0x5a,
    name: 'SPT.3: PWSNP while SMPWCS is 0',
    options: { smpwcs: false, ssads: false, eafs: false },
    met: 3,
  }),
  ...tables({ fr: 0x5a, name: 'SPT.3: EAFE while EAFS is 0', options: { eafs: false }, pasid: { eafe: true }, met: 3 }),
  ...tables({
    fr: 0x5a,
    name: 'SPT.3: SSADE while SSADS is 0',
    options: { ssads: false },
    pasid: { pgtt: Pgtt.SECOND, ssade: true },
    met: 3,
  }),
  ...(
    [
      [258, 'HPTPFD'],
      [320, 'HPTDID'],
    ] as const
  ).map(
    ([bit, field]): Condition => ({
      fr: 0x5a,
      name: `SPT.3: ${field} while HPTS is 0`,
      options: { hpts: false },
      pasid: { hptptr: 0n, bits: [bit] },
      asks: UNTRANSLATED,
      met: 3,
      rows: [`PASID-table entry.${field}`],
    }),
  ),
  ...[0, 4, 7].flatMap((aw) =>
    tables({ fr: 0x5b, name: `SPT.4.1: AW is ${aw}`, pasid: { pgtt: Pgtt.SECOND, aw, ssptptr: 0x1_c000n }, met: 3 }),
  ),
  ...tables({
    fr: 0x5b,
    name: 'SPT.4.1: AW is 3, not in SAGAW',
    options: { sagaw: 0b110 },
    pasid: { pgtt: Pgtt.NESTED, aw: 3 },
    met: 3,
  }),
  ...INVALID_KINDS.flatMap((pgtt) => tables({ fr: 0x5b, name: `SPT.4.2: PGTT is ${pgtt}`, pasid: { pgtt }, met: 3 })),
  ...tables({
    fr: 0x5b,
    name: 'SPT.4.2: nested while NEST is 0',
    options: { nest: false },
    pasid: { pgtt: Pgtt.NESTED },
    met: 3,
  }),
  ...tables({
    fr: 0x5b,
    name: 'SPT.4.2: pass-through while PT is 0',
    options: { pt: false },
    pasid: { pgtt: Pgtt.PASS },
    met: 3,
  }),
  ...[2, 3].flatMap((fspm) => tables({ fr: 0x5b, name: `SPT.4.3: FSPM is ${fspm}`, pasid: { fspm }, met: 3 })),
  ...tables({
    fr: 0x5b,
    name: 'SPT.4.3: FSPM is 1 while FS5LP is 0',
    options: { fs5lp: false },
    pasid: { fspm: 1 },
    met: 3,
  }),
  ...tables({
    fr: 0x5b,
    name: 'SPT.4.4: FSPTPTR beyond AW',
    pasid: { pgtt: Pgtt.NESTED, aw: 1, fsptptr: 1n << 39n },
    met: 3,
  }),
  { fr: 0x5c, name: 'SPT.5: execution, major version 6', asks: [{ pasid: PASID, execute: true }], met: 3 },
  { fr: 0x5d, name: 'SPT.6: SRE is 0, PR is 1', asks: [{ pasid: PASID, privileged: true }], met: 3 },
  { fr: 0x5d, name: 'SPT.6: SRE is 0, RID_PRIV is 1', context: { ridPriv: true }, asks: ALONE, met: 3 },
];

/** Requester of an ask. */
export const requesterOf = (ask: Ask): number => ask.requester ?? SID;
