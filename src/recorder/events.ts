/**
 * What can be seen of a running machine, as plain data: one type per kind of event, and their union.
 *
 * Events carry names and values, never references into a model, and nothing that differs from one host to another.
 */
import type { Instant } from '../../hardware/sim/index.ts';

/** Fields of one decoded table entry or register, in ascending order of bits. */
export type DecodedFields = Readonly<Record<string, bigint>>;

/** From which I/O virtual address to which host address a request goes. */
export interface Translated {
  /** Name of the requester if the machine knows one, otherwise its bus:device.function. */
  readonly requester: string;
  readonly address: bigint;
  readonly to: number;
}

/** Kind of event, and what it tells beside when and who. */
export interface EventKinds {
  /** A request found its translation in the IOTLB. */
  hit: Translated;
  /** A request did not, so the tables are walked. */
  miss: { readonly requester: string; readonly address: bigint };
  /** The IOMMU fetched one table entry or descriptor. */
  read: { readonly what: string; readonly address: number; readonly value: string; readonly fields: DecodedFields };
  /** A walk found a page. */
  translated: Translated & { readonly pageBytes: number };
  /** A request was blocked. */
  fault: {
    readonly code: number;
    readonly name: string;
    readonly requester: string;
    /** -1 for a request without PASID. */
    readonly pasid: number;
    readonly address: bigint;
    readonly write: boolean;
    /** False when the fault registers had no room, or the entry asked for silence. */
    readonly recorded: boolean;
  };
  /** Cached entries were dropped on software's request. */
  invalidated: { readonly what: string; readonly detail: Readonly<Record<string, number | bigint | string>> };
  /** Software wrote a register. */
  register: { readonly name: string; readonly offset: number; readonly size: number; readonly value: bigint };
  /** A message-signalled interrupt was sent. */
  interrupt: { readonly address: bigint; readonly data: number };
  /** A packet was put on a link. */
  packet: { readonly to: string; readonly packet: string; readonly detail: string };
  /** The kernel wrote a line to its log. */
  log: { readonly message: string };
  /** A process returned from a system call. */
  call: { readonly call: string; readonly result: string };
  /** A scenario announced its next step. */
  step: { readonly number: number; readonly text: string };
  /** A scenario remarked something. */
  note: { readonly text: string };
  /** A scenario compared what happened with what it expects. */
  expectation: {
    readonly sentence: string;
    readonly holds: boolean;
    readonly expected?: string;
    readonly actual?: string;
  };
}

export type EventKind = keyof EventKinds;

/** The names of all kinds. */
export const EVENT_KINDS = Object.keys({
  hit: 0,
  miss: 0,
  read: 0,
  translated: 0,
  fault: 0,
  invalidated: 0,
  register: 0,
  interrupt: 0,
  packet: 0,
  log: 0,
  call: 0,
  step: 0,
  note: 0,
  expectation: 0,
} satisfies Record<EventKind, 0>) as readonly EventKind[];

/** One event of kind `K`: when, who, and what that kind tells. */
export type EventOf<K extends EventKind> = Readonly<{ kind: K; at: Instant; who: string }> & EventKinds[K];

/** Any event. `switch (event.kind)` tells them apart. */
export type TraceEvent = { [K in EventKind]: EventOf<K> }[EventKind];
