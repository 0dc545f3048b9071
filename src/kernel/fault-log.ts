/** Faults that IOMMUs have reported, decoded; the newest last. */
import { hex } from '../../hardware/bits/index.ts';
import type { Instant } from '../../hardware/sim/index.ts';
import type { IoasidFaultReason } from '../uapi/index.ts';
import type { KernelLog } from './log.ts';
import { formatRid } from './pci/index.ts';

export type FaultAccess = 'read' | 'write' | 'atomic' | 'page request' | 'interrupt';

/** An access that was refused, whoever refused it. */
export interface RefusedAccess {
  readonly reason: IoasidFaultReason;
  /** -1 for a request without PASID. */
  readonly pasid: number;
  readonly address: bigint;
  readonly access: FaultAccess;
}

export interface IommuFault extends RefusedAccess {
  readonly at: Instant;
  /** The unit that reported it. */
  readonly unit: string;
  /** The unit's own number and name for the reason. */
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  /** The same as programs are told it, whosever the unit is. */
  readonly reason: IoasidFaultReason;
  /** Requester id of the device. */
  readonly requester: number;
  /** -1 for a request without PASID. */
  readonly pasid: number;
  /** Page that was accessed. Of an interrupt what the unit tells: the index of its entry in bits 63:48 (Intel), its page (AMD). */
  readonly address: bigint;
  readonly access: FaultAccess;
}

const LIMIT = 10_000;

export class FaultLog {
  readonly faults: IommuFault[] = [];
  /** Sees every fault as it is reported. */
  probe: ((fault: IommuFault) => void) | null = null;
  readonly #log: KernelLog;

  constructor(log: KernelLog) {
    this.#log = log;
  }

  /** Keeps a fault and says so in the kernel's log. */
  record(fault: IommuFault): void {
    if (this.faults.length === LIMIT) this.faults.shift();
    this.faults.push(fault);
    this.probe?.(fault);
    const { unit, access, requester, pasid, address, meaning, name, code } = fault;
    const who = pasid < 0 ? formatRid(requester) : `${formatRid(requester)} PASID ${hex(pasid)}`;
    const where = access === 'interrupt' ? '' : ` at ${hex(address)}`;
    this.remark(`${unit}: ${access} by ${who}${where} is blocked: ${meaning} (${name}, ${hex(code, 2)})`);
  }

  /** Writes a line to the kernel's log. */
  remark(text: string): void {
    this.#log.write(text);
  }
}
