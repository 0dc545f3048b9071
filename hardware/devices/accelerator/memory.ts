/**
 * How descriptors reach memory: through the device-TLB or, where their work queue says so, untranslated; and what becomes of
 * a page that is not there. An access here never crosses a page.
 *
 * Choice: a page that still has no translation after successful responses counts as one whose request was invalid.
 */
import { type AtsRequester, type AtsTarget, PageOutcome } from '../../ats/index.ts';
import { PAGE_SIZE } from '../../bits/index.ts';
import { type Dma, DmaStatus, dmaTarget, NO_PASID, type PcieFunction } from '../../pcie/index.ts';
import { type Engine, firstOf, type Script } from '../../sim/index.ts';
import { Flag, Status, WQCFG } from './spec/index.ts';
import type { Operation } from './submission.ts';

/** Why an access was not done. */
export interface Fault {
  /** A value of `Status`; NONE when the descriptor was aborted, and nobody is told. */
  readonly status: number;
  readonly address: bigint;
  readonly write: boolean;
}

/** As whom memory is accessed. */
export interface Accessor {
  readonly pasid: number | undefined;
  readonly privileged: boolean;
  /** Addresses are translated by the device. */
  readonly translates: boolean;
  /** It waits for pages. */
  readonly blocks: boolean;
  readonly operation: Operation | null;
}

const ABORTED: Fault = { status: Status.NONE, address: 0n, write: false };

/** Answer that there was none, because the descriptor was aborted. */
const NOT_AWAITED = NaN;

export class Memory {
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #plain: Dma;
  readonly #ats: AtsRequester;
  readonly #attempts: number;

  constructor(engine: Engine, fn: PcieFunction, plain: Dma, ats: AtsRequester, attempts: number) {
    this.#engine = engine;
    this.#function = fn;
    this.#plain = plain;
    this.#ats = ats;
    this.#attempts = attempts;
  }

  /** As whom the accesses of an operation are done. */
  accessorOf(operation: Operation): Accessor {
    const { pasid, privileged, queue } = operation.submission;
    const blocks = operation.has(Flag.BOF) && queue.has(WQCFG.BOF) && !queue.has(WQCFG.PRS_DISABLE);
    return { pasid, privileged, translates: !queue.has(WQCFG.ATS_DISABLE), blocks, operation };
  }

  /** Fills `into`. */
  read(who: Accessor, address: bigint, into: Uint8Array): Script<Fault | null> {
    return this.#access(who, address, false, function* (dma, at) {
      return (yield* dma.read(at, into.length, into)).status;
    });
  }

  write(who: Accessor, address: bigint, bytes: Uint8Array): Script<Fault | null> {
    return this.#access(who, address, true, (dma, at) => dma.write(at, bytes));
  }

  *#access(
    who: Accessor,
    address: bigint,
    write: boolean,
    perform: (dma: Dma, at: AtsTarget) => Script<number>,
  ): Script<Fault | null> {
    const { pasid, privileged, operation } = who;
    const dma = who.translates ? this.#ats : this.#plain;
    const at: AtsTarget = { ...dmaTarget(address, { pasid, privileged }), onFault: 'fail' };
    for (let asked = 0; ; asked++) {
      if (operation?.submission.aborted) return ABORTED;
      const status = yield* perform(dma, at);
      if (status === DmaStatus.SUCCESS) return null;
      if (status === DmaStatus.RESET || operation?.submission.aborted) return ABORTED;
      if (status !== DmaStatus.NO_TRANSLATION) {
        return {
          status: who.translates && this.#ats.isActive ? Status.TRANSLATION_FAIL : Status.HW_ERR1,
          address,
          write,
        };
      }
      if (!who.blocks) return { status: Status.PAGE_FAULT_NOBOF, address, write };
      if (asked === this.#attempts) return { status: Status.PAGE_FAULT_IR, address, write };
      const outcome = yield* this.#page(who, at, write);
      if (outcome === PageOutcome.SUCCESS) continue;
      if (Number.isNaN(outcome) || outcome === PageOutcome.RESET) return ABORTED;
      const isInvalid = outcome === PageOutcome.INVALID_REQUEST;
      return { status: isInvalid ? Status.PAGE_FAULT_IR : Status.PAGE_FAULT_NOBOF, address, write };
    }
  }

  /** Asks for the page of an access and waits, unless the descriptor is aborted: then the answer goes by. */
  *#page({ pasid = NO_PASID, privileged, operation }: Accessor, at: AtsTarget, write: boolean): Script<number> {
    const { pages } = this.#ats;
    if (pages === null) return PageOutcome.NOT_ENABLED;
    const fn = this.#function;
    const page = { hi: at.hi, lo: at.lo & -PAGE_SIZE, read: !write, write };
    const isPrivileged = privileged && pasid !== NO_PASID && fn.config.pasid?.privileged === true;
    const asker = { fn, pasid, privileged: isPrivileged, execute: false };
    const task = this.#engine.spawn(pages.request([page], asker), `${fn.name}: a page request`);
    if (operation === null) yield task.done;
    else yield firstOf(task.done, operation.submission.onAbort);
    return task.ended ? task.result : NOT_AWAITED;
  }
}

/** Bytes from all of these addresses on that lie in one page each. */
export function withinPages(addresses: readonly bigint[], most: number): number {
  return addresses.reduce((least, address) => Math.min(least, PAGE_SIZE - offsetOf(address)), most);
}

/** Bytes that lie in one page each before all of these addresses. */
export function withinPagesBefore(addresses: readonly bigint[], most: number): number {
  return addresses.reduce((least, address) => Math.min(least, offsetOf(address) || PAGE_SIZE), most);
}

/** An address further on; behind the last one comes 0. */
export function plus(address: bigint, bytes: number): bigint {
  return BigInt.asUintN(64, address + BigInt(bytes));
}

function offsetOf(address: bigint): number {
  return Number(address & BigInt(PAGE_SIZE - 1));
}
