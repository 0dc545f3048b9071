/** What decides about an interrupt before its entry is looked at: the device table entry and the Control register. */
import type { InterruptMessage, Walk } from '../iommu/index.ts';
import type { AmdFault } from './spec/index.ts';

/** The interrupt half of a device table entry. */
export interface InterruptSettings {
  /** IV. */
  readonly valid: boolean;
  /** What is wrong with it while IV is 1. */
  readonly fault: AmdFault | null;
  /** Entries of the table, by IntTabLen. */
  readonly tableLength: number;
  /** IG: faults are not logged. */
  readonly ignoreUnmapped: boolean;
  /** Address of the table. */
  readonly table: number;
  /** IntCtl. */
  readonly control: number;
  readonly initPass: boolean;
  readonly eintPass: boolean;
  readonly nmiPass: boolean;
  readonly lint0Pass: boolean;
  readonly lint1Pass: boolean;
}

/** What the remapper needs of the device table: the entry of the message's requester, or why there is none. */
export interface InterruptDevices {
  find(message: InterruptMessage<AmdFault>): Walk<{ readonly interrupts: InterruptSettings } | AmdFault>;
}

/** What the Control register says about interrupts. */
export interface InterruptControl {
  readonly iommuEn: boolean;
  readonly gaEn: boolean;
  /** GAMEn. */
  readonly gaMode: number;
  readonly xtEn: boolean;
  readonly numIntRemapMode: number;
  readonly irtCacheDis: boolean;
}
