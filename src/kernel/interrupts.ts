/**
 * Message-signalled interrupts: who gets which vector, what the device must write to reach it, and what runs when it does.
 *
 * One CPU (APIC id 0) takes them all. A handler does not interrupt itself: a message that comes while it runs makes it run
 * once more afterwards.
 */
import { encode } from '../../hardware/bits/index.ts';
import { asTask, type Duration, type Engine, ns, type Script } from '../../hardware/sim/index.ts';
import {
  INTERRUPT_IDENTIFIER,
  COMPATIBILITY_MSI_ADDRESS as MSI_ADDRESS,
  COMPATIBILITY_MSI_DATA as MSI_DATA,
} from '../../hardware/vtd/spec/index.ts';
import { ENOSPC } from '../uapi/index.ts';
import { FaultPoints } from './fault-points.ts';
import type { KernelLog } from './log.ts';

/** Vectors 0 to 31 are the CPU's exceptions. */
const FIRST_VECTOR = 0x20;
const LAST_VECTOR = 0xef;

/** What a device must write to raise an interrupt. */
export interface Message {
  readonly address: number;
  readonly data: number;
}

interface Line {
  readonly name: string;
  readonly handler: () => Script;
  /** Messages that came. */
  count: number;
  running: boolean;
  again: boolean;
}

export class Interrupts {
  readonly #engine: Engine;
  readonly #log: KernelLog;
  readonly #latency: number;
  readonly #faultPoints: FaultPoints;
  readonly #lines = new Map<number, Line>();
  #unhandled = 0;

  constructor(engine: Engine, log: KernelLog, latency: number, faultPoints = new FaultPoints()) {
    this.#engine = engine;
    this.#log = log;
    this.#latency = latency;
    this.#faultPoints = faultPoints;
  }

  /** How many messages came for each vector that somebody handles, and for all others together. */
  get counts(): {
    readonly handled: readonly { readonly name: string; readonly count: number }[];
    readonly unhandled: number;
  } {
    const handled = [...this.#lines.values()].map(({ name, count }) => ({ name, count }));
    return { handled, unhandled: this.#unhandled };
  }

  /** A free vector whose messages run `handler`, or -ENOSPC. */
  allocate(name: string, handler: () => Script): Message | number {
    if (this.#faultPoints.refuses('interrupt vector')) return -ENOSPC;
    for (let vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) {
      if (this.#lines.has(vector)) continue;
      this.#lines.set(vector, { name, handler, count: 0, running: false, again: false });
      return {
        address: encode(MSI_ADDRESS, { IDENTIFIER: INTERRUPT_IDENTIFIER, DESTINATION_ID: 0 })[0]!,
        data: encode(MSI_DATA, { VECTOR: vector })[0]!,
      };
    }
    return -ENOSPC;
  }

  free(message: Message): void {
    this.#lines.delete(MSI_DATA.VECTOR.get(Uint32Array.of(message.data)));
  }

  /** The machine calls this when a message reaches the CPU. */
  deliver(address: number, data: number): void {
    const vector = MSI_DATA.VECTOR.get(Uint32Array.of(data));
    const line = this.#lines.get(vector);
    if (line === undefined || MSI_ADDRESS.DESTINATION_ID.isSet(Uint32Array.of(address))) {
      this.#unhandled++;
      this.#log.write(`interrupt: nobody handles vector ${vector}`);
      return;
    }
    line.count++;
    if (line.running) {
      line.again = true;
    } else {
      line.running = true;
      this.#engine.spawn(this.#serve(line), `interrupt ${line.name}`);
    }
  }

  *#serve(line: Line): Script {
    do {
      line.again = false;
      yield* asTask(this.#engine, { kind: 'interrupt', who: 'kernel', own: 'interrupt' }, pause(ns(this.#latency)));
      const task = { kind: 'interrupt handler', who: 'kernel', own: 'software', detail: line.name } as const;
      yield* asTask(this.#engine, task, line.handler());
    } while (line.again);
    line.running = false;
  }
}

function* pause(duration: Duration): Script {
  yield duration;
}
