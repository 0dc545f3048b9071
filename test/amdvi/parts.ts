/** The parts of an AMD-Vi unit that stand around its registers, without the unit. */
import { EventLog } from '../../hardware/amdvi/event-log.ts';
import { Features } from '../../hardware/amdvi/features.ts';
import { IommuFunction } from '../../hardware/amdvi/function.ts';
import { OwnInterrupts } from '../../hardware/amdvi/own-interrupts.ts';
import { PprLog } from '../../hardware/amdvi/ppr-log.ts';
import { RegisterPage } from '../../hardware/amdvi/register-page.ts';
import { finish } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';

/** Every bit that EFR has, but for the codes that stand for nothing: HATS 10b, GLXSup 10b. */
export const ALL = 0xffff_ffff_b3ff_abffn;
export const ALL_2 = 0xbfen;

/** Offsets, and bits of Control and Status, as drivers know them. */
export const REG = {
  COMMAND_BASE: 0x0008,
  EVENT_BASE: 0x0010,
  CONTROL: 0x0018,
  PPR_BASE: 0x0038,
  HARDWARE_UPPER: 0x0040,
  HARDWARE_LOWER: 0x0048,
  HARDWARE_STATUS: 0x0050,
  PPR_B_BASE: 0x00f0,
  EVENT_B_BASE: 0x00f8,
  EVENT_HEAD: 0x2010,
  EVENT_TAIL: 0x2018,
  STATUS: 0x2020,
  PPR_HEAD: 0x2030,
  PPR_TAIL: 0x2038,
  PPR_B_HEAD: 0x2050,
  PPR_B_TAIL: 0x2058,
  EVENT_B_HEAD: 0x2070,
  EVENT_B_TAIL: 0x2078,
  AUTO_RESPONSE: 0x2080,
  EARLY: 0x2088,
} as const;

export const IOMMU_EN = 1n << 0n;
export const EVENT_LOG_EN = 1n << 2n;
export const EVENT_INT_EN = 1n << 3n;
export const COM_WAIT_INT_EN = 1n << 4n;
export const PPR_LOG_EN = 1n << 13n;
export const PPR_INT_EN = 1n << 14n;
export const INT_CAP_XT_EN = 1n << 51n;
/** 256 entries of 16 bytes. */
export const SHORTEST = 0x0800_0000_0000_0000n;
export const RING_BYTES = 0x1000n;

export interface Message {
  readonly hi: number;
  readonly lo: number;
  readonly data: number;
}

export class Parts {
  readonly memory = new PhysicalMemory([[0, 0x10_0000]]);
  readonly messages: Message[] = [];
  readonly features: Features;
  readonly page: RegisterPage;
  readonly fn: IommuFunction;
  readonly interrupts: OwnInterrupts;
  readonly events: EventLog;
  readonly requests: PprLog;

  constructor(efr = ALL, miscInfo1 = 0, miscInfo0 = 0x0020_3440) {
    this.features = new Features({ efr, efr2: ALL_2, miscInfo0, miscInfo1 });
    this.page = new RegisterPage(this.features);
    const { file } = this.page;
    this.fn = new IommuFunction(this.features, file);
    const raise = (hi: number, lo: number, data: number): void => {
      this.messages.push({ hi, lo, data });
    };
    this.interrupts = new OwnInterrupts(file, this.features, this.fn, raise);
    this.events = new EventLog(file, this.features, this.interrupts);
    this.requests = new PprLog(file, this.features, this.interrupts);
  }

  get(offset: number): bigint {
    return this.page.read(offset, 8);
  }

  set(offset: number, value: bigint): void {
    this.page.write(offset, 8, value);
  }

  /** Bits of Status, by the mask of interest. */
  status(mask = (1n << 64n) - 1n): bigint {
    return this.get(REG.STATUS) & mask;
  }

  logEvent(lo: bigint, hi = 0n): void {
    finish(this.events.append(entryOf(lo, hi)), this.memory);
  }

  logRequest(lo: bigint, hi = 0n): boolean {
    return finish(this.requests.append(entryOf(lo, hi)), this.memory);
  }

  /** Both halves of the entry at `address`. */
  entry(address: number): [bigint, bigint] {
    const view = new DataView(this.memory.read(address, 16)!.buffer);
    return [view.getBigUint64(0, true), view.getBigUint64(8, true)];
  }

  /** MSIs to FEE0_0000h with data 4000h, as many vectors as the function has. */
  enableMsi(): this {
    this.fn.writeConfig(0x68, 4, 0xfee0_1000);
    this.fn.writeConfig(0x70, 2, 0x4000);
    this.fn.writeConfig(0x64, 4, 0x0021_0000);
    return this;
  }
}

export function entryOf(lo: bigint, hi: bigint): Uint32Array {
  const view = new BigUint64Array([lo, hi]);
  return new Uint32Array(view.buffer);
}
