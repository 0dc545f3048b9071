/** Which registers exist, what they hold after reset, and which of their fields depend on a capability: VT-d 11.4. */
import type { AnyLayout, Values } from '../../../bits/index.ts';
import * as commands from './commands.ts';
import { CAP, ECAP, GCMD, GSTS, RTADDR, VER } from './core.ts';
import { FEADDR, FECTL, FEDATA, FEUADDR, FSTS } from './faults.ts';
import { IRTA } from './interrupt.ts';
import { CCMD, ICS, IEADDR, IECTL, IEDATA, IEUADDR, IQA, IQERCD, IQH, IQT } from './invalidation.ts';
import { MTRR_FIXED, MTRR_PHYSBASE, MTRR_PHYSMASK, MTRRCAP, MTRRDEF } from './memory-types.ts';
import { PEADDR, PECTL, PEDATA, PEUADDR, PQA, PQH, PQT, PRS } from './page-requests.ts';
import * as performance from './performance.ts';
import { PHMBASE, PHMLIMIT, PLMBASE, PLMLIMIT, PMEN } from './protected-memory.ts';

/**
 * The registers at fixed places, by the capability without which they do not exist and their place reads 0. At places
 * that capability registers give stand IVA, IOTLB_REG and FRCD, which every unit has, and those of the performance
 * counters.
 */
export const REGISTERS = {
  ALWAYS: [VER, CAP, ECAP, GCMD, GSTS, RTADDR, CCMD, FSTS, FECTL, FEDATA, FEADDR, FEUADDR],
  PLMR_OR_PHMR: [PMEN],
  PLMR: [PLMBASE, PLMLIMIT],
  PHMR: [PHMBASE, PHMLIMIT],
  QI: [IQH, IQT, IQA, ICS, IECTL, IEDATA, IEADDR, IEUADDR, IQERCD],
  IR: [IRTA],
  PRS: [PQH, PQT, PQA, PRS, PECTL, PEDATA, PEADDR, PEUADDR],
  MTS: [MTRRCAP, MTRRDEF, ...MTRR_FIXED, ...MTRR_PHYSBASE, ...MTRR_PHYSMASK],
  PMS: [
    performance.PERFCAP,
    performance.PERFCFGOFF,
    performance.PERFFRZOFF,
    performance.PERFOVFOFF,
    performance.PERFCNTROFF,
    performance.PERFINTRSTS,
    performance.PERFINTRCTL,
    performance.PERFINTRDATA,
    performance.PERFINTRADDR,
    performance.PERFINTRUADDR,
  ],
  ECMDS: [
    commands.ECMD,
    commands.ECEO,
    commands.ECRSP,
    commands.ECSTS_0,
    commands.ECSTS_1,
    commands.ECCAP_0,
    commands.ECCAP_1,
    commands.ECCAP_2,
    commands.ECCAP_3,
  ],
  RDTS: [commands.RDTC],
  VCS: [commands.VCMD, commands.VCMD_EO, commands.VCRSP, commands.VCCAP],
} as const satisfies Readonly<Record<string, readonly AnyLayout[]>>;

export type RegisterGroup = keyof typeof REGISTERS;

export interface PowerOn {
  readonly register: AnyLayout;
  readonly values: Readonly<Record<string, number>>;
}

/**
 * What is not 0 after reset, by the same groups. Registers that report what an implementation has (VER, CAP, ECAP,
 * MTRRCAP, PERFCAP and the like) are not listed: their values are the implementation's.
 */
export const POWER_ON: { readonly [G in RegisterGroup]?: readonly PowerOn[] } = {
  ALWAYS: [powerOn(FECTL, { IM: 1 })],
  QI: [powerOn(IECTL, { IM: 1 })],
  PRS: [powerOn(PECTL, { IM: 1 })],
  PMS: [powerOn(performance.PERFINTRCTL, { IM: 1 })],
};

function powerOn<L extends AnyLayout>(register: L, values: Values<L>): PowerOn {
  return { register, values: values as Readonly<Record<string, number>> };
}
