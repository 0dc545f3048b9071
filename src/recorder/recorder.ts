/**
 * Turns the probes of a machine into typed events. A probe is a field that is null while nobody looks; the recorder is
 * what a machine hangs there when somebody does.
 *
 * Surface: `on('event', …)` or `on(kind, …)` of eventemitter3; `emitAt` for whoever has something to say; `iommu` and
 * `log` make the probe objects that a machine attaches.
 */
import { EventEmitter } from 'eventemitter3';
import { type AnyLayout, decode, hex, joinWords, type Words } from '../../hardware/bits/index.ts';
import type { Instant } from '../../hardware/sim/index.ts';
import type { EventKind, EventKinds, EventOf, TraceEvent } from './events.ts';

/** Every kind of event under its own name, and all of them in order under `event`. */
export type RecorderEvents = { event: [TraceEvent] } & { [K in EventKind]: [EventOf<K>] };

/** What the recorder reads of a fault. */
export interface ProbedFault {
  readonly code: number;
  readonly name: string;
  readonly requester: number;
  readonly pasid: number;
  readonly address: bigint;
  readonly write: boolean;
  readonly recorded: boolean;
}

/** What the composition root knows and a recorder cannot. */
export interface Names {
  /** The name of a requester. */
  requester(rid: number): string;
  /** The name of the register at `offset` of an IOMMU's page. */
  register(offset: number): string;
  /** The layout of a table entry or descriptor of that name and value, if it has one. */
  layout(what: string, words: Words): AnyLayout | undefined;
}

export class Recorder extends EventEmitter<RecorderEvents> {
  readonly #clock: { readonly now: Instant };
  readonly #names: Names;

  constructor(clock: { readonly now: Instant }, names: Names) {
    super();
    this.#clock = clock;
    this.#names = names;
  }

  /** Reports that something happened to `who` at this instant. */
  record<K extends EventKind>(kind: K, who: string, facts: EventKinds[K]): void {
    const event = { kind, at: this.#clock.now, who, ...facts } as unknown as TraceEvent;
    // The two casts say what the type system cannot: `event` is of the kind under whose name it is emitted.
    (this.emit as (kind: EventKind, event: TraceEvent) => boolean).call(this, kind, event);
    this.emit('event', event);
  }

  /** A probe for an IOMMU. */
  iommu(who: string) {
    const names = this.#names;
    return {
      hit: (rid: number, address: bigint, to: number): void =>
        this.record('hit', who, { requester: names.requester(rid), address, to }),
      miss: (rid: number, address: bigint): void =>
        this.record('miss', who, { requester: names.requester(rid), address }),
      // A trace tells of the IOTLB by hits and misses; look-ups in the other caches are for an explanation.
      cache: (): void => {},
      read: (what: string, address: number, words: Uint32Array, count: number): void => {
        const copy = words.slice(0, count);
        const layout = names.layout(what, copy);
        const fields = layout === undefined ? {} : decode(layout, copy);
        this.record('read', who, { what, address, value: hex(joinWords(copy)), fields });
      },
      translated: (rid: number, address: bigint, to: number, pageShift: number): void => {
        const requester = names.requester(rid);
        this.record('translated', who, { requester, address, to, pageBytes: 2 ** pageShift });
      },
      fault: ({ code, name, requester: rid, pasid, address, write, recorded }: ProbedFault): void => {
        const requester = names.requester(rid);
        this.record('fault', who, { code, name, requester, pasid, address, write, recorded });
      },
      invalidated: (what: string, detail: Readonly<Record<string, number | bigint | string>>): void =>
        this.record('invalidated', who, { what, detail: { ...detail } }),
      registerWritten: (offset: number, size: number, value: bigint): void =>
        this.record('register', who, { name: names.register(offset), offset, size, value }),
      interrupt: (address: bigint, data: number): void => this.record('interrupt', who, { address, data }),
    };
  }

  /** A place for software to say what it does. */
  log(who: string): (message: string) => void {
    return (message) => this.record('log', who, { message });
  }
}
