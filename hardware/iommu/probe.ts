/**
 * What an IOMMU tells an observer. A unit holds one probe or `null`; every call stands behind that test, so that an
 * unobserved unit pays for a comparison and nothing else.
 */
import { joinHalves } from '../bits/index.ts';
import { Access } from './access.ts';
import type { FaultReason, Translation } from './translation.ts';

export interface FaultReport {
  readonly code: number;
  /** The specification's name of the condition. */
  readonly name: string;
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly address: bigint;
  readonly write: boolean;
  /** False when the condition went unrecorded, or there was no room for its record. */
  readonly recorded: boolean;
}

/** `hit`, `miss`, `translated` and `fault` tell of real requests only; `cache` and `read` also of questions without effects. */
export interface IommuProbe {
  /** The IOTLB had the translation. */
  hit(requester: number, address: bigint, hpa: number): void;
  /** The IOTLB did not have it. */
  miss(requester: number, address: bigint): void;
  /** A cache was looked up. `what` names it: IOTLB, context cache, PASID cache, …; `detail` says what was found or for what. */
  cache(what: string, hit: boolean, detail: string): void;
  /** A table entry was fetched. `what` names it as the specification does. */
  read(what: string, address: number, words: Uint32Array, count: number): void;
  /** A walk has ended well. */
  translated(requester: number, address: bigint, hpa: number, pageShift: number): void;
  fault(report: FaultReport): void;
  /** A cache was told to drop entries. */
  invalidated(what: string, detail: Readonly<Record<string, number | bigint | string>>): void;
  /** Software wrote a register. */
  registerWritten(offset: number, size: number, value: bigint): void;
  /** The unit sent an interrupt of its own, or let one of a device's pass. */
  interrupt(address: bigint, data: number): void;
}

type FaultyRequest = Pick<Translation, 'requester' | 'pasid' | 'access' | 'hi' | 'lo' | 'recorded'>;

/** Where faults are recorded for software. */
export interface FaultLog {
  /** The next fault of a requester will be kept. */
  hasRoomFor(requester: number): boolean;
}

/** Tells whoever observes of the fault that ended a request, before it is recorded in `log`. */
export function tellFault(
  probe: IommuProbe | null,
  { code, name }: FaultReason,
  request: FaultyRequest,
  log: FaultLog,
): void {
  if (probe === null) return;
  const { requester, pasid, access, hi, lo, recorded } = request;
  const write = (access & Access.WRITE) !== 0;
  const kept = recorded && log.hasRoomFor(requester);
  probe.fault({ code, name, requester, pasid, address: joinHalves(hi, lo), write, recorded: kept });
}
