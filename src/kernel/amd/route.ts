/** Where the requests of one device go: what the tables say about domains, and what is attached for the device. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Gcr3Table } from './gcr3-table.ts';

/** What the tables say about a domain. */
export type Target = HostTarget | GuestTarget | NestedTarget | IdentityTarget;

interface Host {
  readonly did: number;
  /** Frame of the top table. */
  readonly root: PageNumber;
  readonly levels: number;
}

interface Guest {
  /** Frame of the top table; when nested a page of the host table. */
  readonly table: PageNumber;
  readonly levels: 4 | 5;
}

export interface HostTarget extends Host {
  readonly kind: 'host';
  /** Its entries make DMA snoop whatever the device asks for. */
  readonly snoop: boolean;
}

export interface GuestTarget extends Guest {
  readonly kind: 'guest';
}

export interface NestedTarget extends Guest {
  readonly kind: 'nested';
  readonly host: HostTarget;
}

export interface IdentityTarget {
  readonly kind: 'identity';
  readonly did: number;
}

/** The PASID that stands for requests without one where they use a guest table (DTE.GIoV). */
export const PASID_OF_NONE = 0;
/** What is not routed has this domain id: it is never cached, since every access is blocked. */
export const BLOCKED_DID = 0;

/** One device that something is attached for. */
export interface Route {
  readonly ids: readonly number[];
  /** What is attached, by PASID as the GCR3 table counts. */
  readonly targets: Map<number, Target>;
  /** Those among them whose way is blocked, and for which hardware has not forgotten what it knew. */
  readonly blocked: Set<number>;
  /** Hardware has not been told that the device table entry has changed. */
  stale: boolean;
  /** The host table of everything that is attached; `null` for none. */
  host: HostTarget | null;
  gcr3: { readonly table: Gcr3Table; readonly did: number; readonly levels: 4 | 5 } | null;
}

/** The GCR3 entry that serves a PASID. */
export function indexOf(pasid: number): number {
  return pasid < 0 ? PASID_OF_NONE : pasid;
}

export function isGuest(target: Target): target is GuestTarget | NestedTarget {
  return target.kind === 'guest' || target.kind === 'nested';
}

export function hostOf(target: Target): HostTarget | null {
  if (target.kind === 'host') return target;
  return target.kind === 'nested' ? target.host : null;
}

export function openTargets({ targets, blocked }: Route): Target[] {
  return [...targets].filter(([index]) => !blocked.has(index)).map(([, target]) => target);
}

/** The domain id of the device table entry. */
export function didOf(route: Route): number {
  const open = openTargets(route);
  const guest = open.some(isGuest);
  if (guest) return route.gcr3!.did;
  const [plain] = open;
  return plain === undefined || isGuest(plain) ? BLOCKED_DID : plain.did;
}
