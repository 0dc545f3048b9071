/** Which registers exist under which feature, and what they hold after reset. */
import type { AnyLayout, Values } from '../../../bits/index.ts';
import * as bases from './bases.ts';
import { CONTROL } from './control.ts';
import * as counters from './counters.ts';
import { DSCX, DSFX, DSSX, EFR, EFR2 } from './features.ts';
import { HARDWARE_EVENT_LOWER, HARDWARE_EVENT_STATUS, HARDWARE_EVENT_UPPER } from './hardware-event.ts';
import * as interrupts from './interrupts.ts';
import { PERFORMANCE_OPTIMIZATION, RESERVED_1FF8, SMI_FILTER, VIOMMU_STATUS } from './other.ts';
import * as pointers from './pointers.ts';
import { PPR_AUTO_RESPONSE, PPR_B_OVERFLOW_EARLY, PPR_OVERFLOW_EARLY, STATUS } from './status.ts';

/**
 * The registers at fixed places, by the feature without which they do not exist. Of the filters and segments a unit may
 * have fewer than are listed. In banks that COUNTER_CONFIGURATION describes stand those of the counters.
 */
export const REGISTERS = {
  ALWAYS: [
    bases.DEVICE_TABLE_BASE,
    bases.COMMAND_BUFFER_BASE,
    bases.EVENT_LOG_BASE,
    CONTROL,
    bases.EXCLUSION_BASE,
    bases.EXCLUSION_LIMIT,
    DSFX,
    DSCX,
    DSSX,
    RESERVED_1FF8,
    pointers.COMMAND_HEAD,
    pointers.COMMAND_TAIL,
    pointers.EVENT_HEAD,
    pointers.EVENT_TAIL,
    STATUS,
  ],
  EFRSup: [EFR, EFR2],
  PPRSup: [bases.PPR_LOG_BASE, pointers.PPR_HEAD, pointers.PPR_TAIL],
  HESup: [HARDWARE_EVENT_UPPER, HARDWARE_EVENT_LOWER, HARDWARE_EVENT_STATUS],
  SmiFSup: SMI_FILTER,
  GASup: [bases.GA_LOG_BASE, bases.GA_LOG_TAIL_ADDRESS, pointers.GA_HEAD, pointers.GA_TAIL],
  DualPprLogSup: [bases.PPR_LOG_B_BASE, pointers.PPR_B_HEAD, pointers.PPR_B_TAIL],
  DualEventLogSup: [bases.EVENT_LOG_B_BASE, pointers.EVENT_B_HEAD, pointers.EVENT_B_TAIL],
  DevTblSegSup: bases.DEVICE_TABLE_SEGMENT,
  MsiCapMmioSup: [
    interrupts.MSI_VECTOR_0,
    interrupts.MSI_VECTOR_1,
    interrupts.MSI_CAPABILITY_HEADER,
    interrupts.MSI_ADDRESS_LOW,
    interrupts.MSI_ADDRESS_HIGH,
    interrupts.MSI_DATA,
    interrupts.MSI_MAPPING,
  ],
  PerfOptSup: [PERFORMANCE_OPTIMIZATION],
  XTSup: [interrupts.XT_GENERAL_INTERRUPT, interrupts.XT_PPR_INTERRUPT, interrupts.XT_GA_INTERRUPT],
  vIommuSup: [VIOMMU_STATUS],
  MarcSup: bases.MARC,
  PPRAutoRspSup: [PPR_AUTO_RESPONSE],
  PprOvrflwEarlySup: [PPR_OVERFLOW_EARLY],
  BOTH_PPR_EARLY: [PPR_B_OVERFLOW_EARLY],
  PCSup: [
    counters.COUNTER_CONFIGURATION,
    counters.COUNTER_PASID_LOCK,
    counters.COUNTER_DOMAIN_LOCK,
    counters.COUNTER_DEVICE_LOCK,
  ],
} as const satisfies Readonly<Record<string, readonly AnyLayout[]>>;

export type RegisterGroup = keyof typeof REGISTERS;

export interface PowerOn {
  readonly register: AnyLayout;
  readonly values: Readonly<Record<string, number>>;
}

/** log2 of the entries of every ring after reset. */
const LENGTH = 8;

/** What is not 0 after reset, beside the registers that report what the unit has. From VirtualBox and memory. */
export const POWER_ON: { readonly [G in RegisterGroup]?: readonly PowerOn[] } = {
  ALWAYS: [
    powerOn(bases.COMMAND_BUFFER_BASE, { ComLen: LENGTH }),
    powerOn(bases.EVENT_LOG_BASE, { EventLen: LENGTH }),
    powerOn(bases.EXCLUSION_LIMIT, { LowOnes: 0xfff }),
  ],
  PPRSup: [powerOn(bases.PPR_LOG_BASE, { PPRLogLen: LENGTH })],
  GASup: [powerOn(bases.GA_LOG_BASE, { GALogLen: LENGTH })],
  DualPprLogSup: [powerOn(bases.PPR_LOG_B_BASE, { PPRLogLen: LENGTH })],
  DualEventLogSup: [powerOn(bases.EVENT_LOG_B_BASE, { EventLen: LENGTH })],
};

/** Fields of Control that are reserved, and so keep 0, while a feature is 0. */
export const CONTROL_RESERVED_WITHOUT = {
  PPRSup: ['PPRLogEn', 'PPRIntEn', 'PPREn'],
  GTSup: ['GTEn'],
  GASup: ['GAEn', 'GALogEn', 'GAIntEn'],
  GAMSup: ['GAMEn'],
  SmiFSup: ['SmiFEn', 'SmiFLogEn'],
  DualPprLogSup: ['DualPprLogEn'],
  DualEventLogSup: ['DualEventLogEn'],
  DevTblSegSup: ['DevTblSegEn'],
  USSup: ['PrivAbrtEn'],
  PPRAutoRspSup: ['PprAutoRspEn', 'PprAutoRspAon'],
  MarcSup: ['MarcEn'],
  BlkStopMrkSup: ['BlkStopMrkEn'],
  NumIntRemapSup: ['NumIntRemapMode'],
  EPHSup: ['EPHEn'],
  HASup: ['HADUpdate'],
  XTSup: ['XTEn', 'IntCapXTEn'],
  vIommuSup: ['vCmdEn', 'vIommuEn'],
  GAUpdateDisSup: ['GAUpdateDis'],
  GAPPISup: ['GAPPIEn'],
  TMPMSup: ['TMPMEn'],
  GCR3TRPModeSup: ['GCR3TRPMode', 'GstBufferTRPMode'],
  SNPAVICSup: ['SNPAVICEn'],
} as const satisfies Readonly<Record<string, readonly Exclude<keyof typeof CONTROL, '$'>[]>>;

function powerOn<L extends AnyLayout>(register: L, values: Values<L>): PowerOn {
  return { register, values: values as Readonly<Record<string, number>> };
}
