/** What a machine's IOMMU can do beyond translation, by its capability registers, and what else stories may ask for. */
import { EFR, EFR2, CAPABILITY_HEADER as HEADER } from '../../hardware/amdvi/spec/index.ts';
import { splitWords } from '../../hardware/bits/index.ts';
import { ECAP } from '../../hardware/vtd/spec/index.ts';
import type { MachineSpec } from './schema.ts';

/**
 * Requests that no table translates; device-TLBs; address spaces by PASID; page requests of devices; checks of what devices have
 * translated themselves, and of their interrupts; tables of user space within those of the kernel, and tables of them by PASID;
 * notes of what devices have written; caches of the ways to the tables that the kernel makes; devices that are not far from memory.
 */
export const MACHINE_FEATURES = [
  'pass-through',
  'ats',
  'pasid',
  'page requests',
  'host permissions',
  'interrupt remapping',
  'nesting',
  'user PASID tables',
  'dirty tracking',
  'table caches',
  'near devices',
] as const;
export type MachineFeature = (typeof MACHINE_FEATURES)[number];

/** Nanoseconds from a device to the IOMMU up to which it is near; on servers it was 160 to 180. */
const NEAR = 300;
/** HATS: there are no host tables. */
const NO_HOST_TABLES = 3;

/** What of these a machine has. */
export function featuresOf({ iommu, kernel, link, rootComplex }: MachineSpec): ReadonlySet<MachineFeature> {
  const has = Object.fromEntries(MACHINE_FEATURES.map((feature) => [feature, false])) as Record<
    MachineFeature,
    boolean
  >;
  if (iommu.vendor === 'intel') {
    const words = register(ECAP.$.offset!, iommu.ecap);
    const isScalable = ECAP.SMTS.isSet(words) && kernel.iommuMode === 'auto';
    // In legacy mode the kernel's driver has no pass-through, and lets no device keep translations.
    has['pass-through'] = isScalable && ECAP.PT.isSet(words);
    has.ats = isScalable && ECAP.DT.isSet(words);
    has.pasid = isScalable && ECAP.PASID.isSet(words);
    has['page requests'] = isScalable && has.ats && ECAP.PRS.isSet(words);
    has['host permissions'] = has.ats && ECAP.HPTS.isSet(words);
    has['table caches'] = iommu.secondStageCache !== null;
    has['interrupt remapping'] = ECAP.IR.isSet(words) && !ECAP.EIMER.isSet(words);
    has.nesting = isScalable && [ECAP.NEST, ECAP.FSTS, ECAP.SSTS].every((able) => able.isSet(words));
    has['dirty tracking'] = isScalable && [ECAP.SSTS, ECAP.SSADS, ECAP.SMPWCS].every((able) => able.isSet(words));
  } else {
    const words = register(EFR.$.offset!, iommu.efr);
    has['pass-through'] = true;
    has.ats = HEADER.IotlbSup.isSet(Uint32Array.of(Number(iommu.capHeader)));
    has.pasid = EFR.GTSup.isSet(words) && kernel.iommuMode === 'auto';
    has.nesting = has.pasid && EFR.GIoSup.isSet(words) && EFR.HATS.get(words) !== NO_HOST_TABLES;
    has['user PASID tables'] = has.nesting && EFR2.GCR3TRPModeSup.isSet(register(EFR2.$.offset!, iommu.efr2));
    has['dirty tracking'] = EFR.HATS.get(words) !== NO_HOST_TABLES && EFR.HDSup.isSet(words);
    has['page requests'] = has.ats && EFR.PPRSup.isSet(words);
    has['interrupt remapping'] = true;
    has['table caches'] = iommu.hostDirectoryCache !== null;
  }
  has['near devices'] = link.latency + rootComplex.latency <= NEAR;
  return new Set(MACHINE_FEATURES.filter((feature) => has[feature]));
}

/** A 64-bit value where the layout of the register at `offset` looks for it. */
function register(offset: number, value: string): Uint32Array {
  const words = new Uint32Array(offset / 4 + 2);
  words.set(splitWords(BigInt(value), 2), offset / 4);
  return words;
}
