/** What the driver asks to be forgotten, and the register-based way to ask it. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { encode } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { CCMD, ContextGranularity, IOTLB_REG, IotlbGranularity, IVA } from '../../../hardware/vtd/spec/index.ts';
import { EIO } from '../../uapi/index.ts';
import type { KernelLog } from '../log.ts';
import type { Registers } from './registers.ts';

export type Invalidation =
  | { readonly cache: 'context'; readonly scope: 'global' }
  | { readonly cache: 'context'; readonly scope: 'device'; readonly did: number; readonly sid: number }
  | { readonly cache: 'iotlb'; readonly scope: 'global' }
  | { readonly cache: 'iotlb'; readonly scope: 'domain'; readonly did: number }
  | {
      readonly cache: 'iotlb';
      readonly scope: 'page';
      readonly did: number;
      /** First of 2^mask pages, aligned to their number. */
      readonly page: PageNumber;
      readonly mask: number;
      /** Only leaf entries have changed. */
      readonly leafOnly: boolean;
    }
  | { readonly cache: 'pasid'; readonly scope: 'global' }
  | { readonly cache: 'pasid'; readonly scope: 'domain'; readonly did: number }
  | { readonly cache: 'pasid'; readonly scope: 'pasid'; readonly did: number; readonly pasid: number }
  | { readonly cache: 'pasid iotlb'; readonly scope: 'pasid'; readonly did: number; readonly pasid: number }
  | {
      readonly cache: 'pasid iotlb';
      readonly scope: 'page';
      readonly did: number;
      readonly pasid: number;
      readonly page: PageNumber;
      readonly mask: number;
      readonly leafOnly: boolean;
    }
  | { readonly cache: 'host permissions'; readonly scope: 'global' }
  | { readonly cache: 'host permissions'; readonly scope: 'domain'; readonly did: number }
  | {
      readonly cache: 'host permissions';
      readonly scope: 'page';
      readonly did: number;
      /** Of the host. */
      readonly page: PageNumber;
      readonly mask: number;
      /** Only entries of the lowest tables have changed. */
      readonly leafOnly: boolean;
    }
  | { readonly cache: 'interrupt entries'; readonly scope: 'global' }
  | { readonly cache: 'interrupt entries'; readonly scope: 'index'; readonly index: number }
  | {
      readonly cache: 'device-tlb';
      readonly sid: number;
      /** Of what the device keeps; -1 for what it got without a PASID. */
      readonly pasid: number;
      readonly page: PageNumber;
      readonly mask: number;
    };

/** What only a queue can do. */
export type Command =
  | Invalidation
  /** What follows starts when all before has ended. */
  | { readonly cache: 'fence' }
  | {
      readonly cache: 'page response';
      readonly rid: number;
      /** -1 without one. */
      readonly pasid: number;
      readonly group: number;
      readonly code: number;
    };

export interface RunOptions {
  /** Ends only when every page request that came before is in its queue. */
  readonly drainPageRequests?: boolean;
}

/** A way to invalidate. */
export interface Invalidator {
  /** Does all of it, in order, and waits: 0, or -EIO when hardware did not. */
  run(commands: readonly Command[], options?: RunOptions): Script<number>;
}

/** Which kinds of DMA in flight an IOTLB invalidation must wait for. */
export interface Draining {
  readonly reads: boolean;
  readonly writes: boolean;
}

const SCOPES = {
  global: IotlbGranularity.GLOBAL,
  domain: IotlbGranularity.DOMAIN,
  page: IotlbGranularity.PAGE,
} as const;

/** By CCMD and IOTLB registers: for units without a queue, and only while theirs is off. */
export class RegisterInvalidation implements Invalidator {
  readonly #registers: Registers;
  readonly #log: KernelLog;
  readonly #name: string;
  /** ECAP.IRO in bytes. */
  readonly #offset: number;
  readonly #drain: { DR: number; DW: number };

  constructor(registers: Registers, log: KernelLog, name: string, offset: number, draining: Draining) {
    this.#registers = registers;
    this.#log = log;
    this.#name = name;
    this.#offset = offset;
    this.#drain = { DR: draining.reads ? 1 : 0, DW: draining.writes ? 1 : 0 };
  }

  *run(commands: readonly Command[]): Script<number> {
    for (const command of commands) {
      const result = yield* this.#execute(command);
      if (result < 0) return result;
    }
    return 0;
  }

  #execute(command: Command): Script<number> {
    if (command.cache === 'context') return this.#context(command);
    if (command.cache === 'iotlb') return this.#iotlb(command);
    throw new Error(`${this.#name}: no register invalidates the ${command.cache}`);
  }

  *#context(what: Extract<Invalidation, { cache: 'context' }>): Script<number> {
    const target = what.scope === 'device' ? { DID: what.did, SID: what.sid } : {};
    const CIRG = what.scope === 'device' ? ContextGranularity.DEVICE : ContextGranularity.GLOBAL;
    const offset = CCMD.$.offset!;
    const words = yield* this.#registers.execute({
      of: CCMD,
      offset,
      words: encode(CCMD, { ...target, CIRG, ICC: 1 }),
      busy: CCMD.ICC,
    });
    if (typeof words === 'number') return words;
    return this.#judge('context cache', CCMD.CAIG.get(words, -offset / 4));
  }

  *#iotlb(what: Extract<Invalidation, { cache: 'iotlb' }>): Script<number> {
    const DID = what.scope === 'global' ? 0 : what.did;
    const IIRG = SCOPES[what.scope];
    const words = yield* this.#registers.execute({
      of: IOTLB_REG,
      offset: this.#offset + 8,
      words: encode(IOTLB_REG, { ...this.#drain, DID, IIRG, IVT: 1 }),
      busy: IOTLB_REG.IVT,
      ...(what.scope === 'page' && { operand: { offset: this.#offset, words: addressOf(what) } }),
    });
    return typeof words === 'number' ? words : this.#judge('IOTLB', IOTLB_REG.IAIG.get(words));
  }

  /** Hardware says what it did; 0 means that it ignored the request. */
  #judge(what: string, granularity: number): number {
    if (granularity !== 0) return 0;
    this.#log.write(`${this.#name}: invalidation of the ${what} was refused`);
    return -EIO;
  }
}

function addressOf({ page, mask, leafOnly }: Extract<Invalidation, { scope: 'page' }>): Uint32Array {
  return encode(IVA, { ADDR: page, AM: mask, IH: leafOnly ? 1 : 0 });
}
