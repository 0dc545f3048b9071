/** Units that lose what entries and requests say beside the translation: privilege, protection, flags, FPD, gates. */
import { reinsert, reorder, retag } from '../../caching/break.ts';
import { broken, type Mutant, type Parts } from './broken.ts';

/** Of the upper half of a page number: the request's privilege. */
const PRIVILEGE = 1 << 31;
// Flags of an IOTLB entry.
const FAULT_DISABLE = 1 << 3;
const RIGHTS_SHIFT = 4;
const NEEDS_NO_FLAG = 1 << 6;
const FOR_DEVICES = 1 << 7;

const privileged = { setting: { privileged: true } };
const ats = { setting: { ats: true, registers: false } };
const fpd = { setting: { fpd: true } };

type Format = Parts['translator']['scalable']['format'];
type Tables = Parts['translator']['scalable'];
type Space = ReturnType<Format['decode']>;
type Context = ReturnType<Tables['decodeContext']>;

/** PASID-table entries are understood in another way. */
function misread({ translator: { scalable } }: Parts, change: (space: Space) => Space): void {
  const { format } = scalable;
  const { decode } = format;
  format.decode = (...given) => change(decode.apply(format, given));
}

/** Context entries of scalable mode are. */
function misreadContext({ translator: { scalable } }: Parts, change: (context: Context) => Context): void {
  const { decodeContext } = scalable;
  scalable.decodeContext = (words) => change(decodeContext.call(scalable, words));
}

/** IOTLB entries are entered with other flags. */
function reflag({ translator: { iotlb } }: Parts, change: (flags: number) => number): void {
  if (iotlb === null) return;
  const { fill } = iotlb;
  iotlb.fill = (i, hi, lo, flags, domain, pasid) => fill.call(iotlb, i, hi, lo, change(flags), domain, pasid);
}

/** Where nothing answers zeros are read. */
const readZeros: Mutant = {
  name: 'A read error counts as zeros.',
  mutate: ({ memory }) => {
    const { perform } = memory;
    memory.perform = (operation) => {
      perform.call(memory, operation);
      if (!operation.ok) operation.words.fill(0);
      operation.ok = true;
    };
  },
  setting: { holes: true },
};

const losesFpd = broken('The IOTLB loses FPD.', (unit) => reflag(unit, (flags) => flags & ~FAULT_DISABLE), {
  ...fpd,
  caches: ['iotlb'],
});

const device = (name: string, unit: (unit: Parts) => void): Mutant => broken(name, unit, ats);
const deviceMutants = [
  device('A device-TLB invalidation drops the function of the source id.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, requester: what.requester & ~7 }));
  }),
  device('A device-TLB invalidation is always of one page.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, isRange: false }));
  }),
  device('A device-TLB invalidation drops address bits above 43.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, address: what.address & 0xfff_ffff_ffffn }));
  }),
];

export const LEGACY_ATTRIBUTE_MUTANTS: readonly Mutant[] = [
  readZeros,
  losesFpd,
  broken(
    'The context cache loses FPD.',
    ({ translator: { legacy } }) => reinsert(legacy.cache, (context) => ({ ...context, faultDisable: false })),
    fpd,
  ),
  broken('A hit in the IOTLB passes TT by.', (unit) => reflag(unit, (flags) => flags | FOR_DEVICES), ats),
  broken(
    'The context cache lets every translation request in.',
    ({ translator: { legacy } }) => reinsert(legacy.cache, (context) => ({ ...context, deviceTlb: true })),
    ats,
  ),
  ...deviceMutants,
];

export const SCALABLE_ATTRIBUTE_MUTANTS: readonly Mutant[] = [
  readZeros,
  broken(
    'The IOTLB is looked up without the privilege.',
    ({ translator: { iotlb } }) => retag(iotlb, (space, hi, lo) => [space, hi & ~PRIVILEGE, lo]),
    privileged,
  ),
  broken('SRE does not count.', (unit) => misread(unit, (space) => ({ ...space, supervisor: true })), privileged),
  broken(
    'The PASID cache loses SRE.',
    ({ translator: { scalable } }) => {
      reinsert(scalable.pasids, (space) => ({ ...space, supervisor: false }));
    },
    privileged,
  ),
  broken(
    'WPE does not count.',
    (unit) => misread(unit, (space) => ({ ...space, first: space.first && { ...space.first, writeProtect: false } })),
    privileged,
  ),
  broken(
    'RID_PRIV does not count.',
    (unit) => misreadContext(unit, (context) => ({ ...context, ridPrivileged: false })),
    privileged,
  ),
  broken(
    'EAFE does not count.',
    (unit) =>
      misread(unit, (space) => ({ ...space, first: space.first && { ...space.first, extendedAccessed: false } })),
    { setting: { extendedAccessed: true, flags: true } },
  ),
  broken(
    'SSADE does not count.',
    (unit) => misread(unit, (space) => ({ ...space, second: space.second && { ...space.second, flags: false } })),
    { setting: { secondFlags: true } },
  ),
  broken(
    'A write that hits the IOTLB sets no dirty flag.',
    (unit) => reflag(unit, (flags) => flags | NEEDS_NO_FLAG | ((flags >>> RIGHTS_SHIFT) & 3)),
    { setting: { secondFlags: true, flags: true }, caches: ['iotlb'] },
  ),
  broken('PASIDE does not count.', (unit) => misreadContext(unit, (context) => ({ ...context, pasids: true }))),
  losesFpd,
  broken(
    'The context cache loses FPD.',
    ({ translator: { scalable } }) => reinsert(scalable.contexts, (context) => ({ ...context, faultDisable: false })),
    fpd,
  ),
  broken(
    'The PASID cache loses FPD of the directory.',
    ({ translator: { scalable } }) => reinsert(scalable.pasids, (space) => ({ ...space, faultDisable: false })),
    fpd,
  ),
  broken('A hit in the IOTLB passes DTE by.', (unit) => reflag(unit, (flags) => flags | FOR_DEVICES), ats),
  broken('DTE does not count.', (unit) => misreadContext(unit, (one) => ({ ...one, deviceTlb: true })), ats),
  broken('EPTR does not count.', (unit) => misreadContext(unit, (one) => ({ ...one, translatedPasids: true })), ats),
  broken('HPTE does not count.', (unit) => misreadContext(unit, (one) => ({ ...one, hostPermissions: false })), {
    setting: { ats: true, host: true },
  }),
  broken(
    'The PASID cache has one host permission table for all entries.',
    ({ translator: { scalable } }) => {
      let first: Space['permissions'] = null;
      reinsert(scalable.pasids, (space) => {
        first ??= space.permissions;
        return { ...space, permissions: space.permissions && first };
      });
    },
    { setting: { ats: true, host: true } },
  ),
  ...deviceMutants,
  device('A device-TLB invalidation drops PASID bits above 15.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, pasid: what.pasid && what.pasid & 0xffff }));
  }),
  device('A device-TLB invalidation forgets the PASID.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, pasid: undefined }));
  }),
  device('A device-TLB invalidation of every PASID is of one.', ({ devices }) => {
    reorder(devices, 'invalidate', (what) => ({ ...what, global: false }));
  }),
];
