/** Where the requests of one device go: what the tables say about domains, and what is attached for the device. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { DirtyTracking } from '../iommu/dirty-tracking.ts';
import type { Gcr3Place, Gcr3Table } from './gcr3-table.ts';

/** What the tables say about a domain. */
export type Target = HostTarget | GuestTarget | NestedTarget | PasidTableTarget | IdentityTarget;
/** Those with guest tables. */
export type GuestsTarget = Extract<Target, Guest>;

interface Host {
  readonly did: number;
  /** Frame of the top table. */
  readonly root: PageNumber;
  readonly levels: number;
}

interface Guest {
  /** Of guest tables. */
  readonly levels: 4 | 5;
}

export interface HostTarget extends Host {
  readonly kind: 'host';
  /** Its entries make DMA snoop whatever the device asks for. */
  readonly snoop: boolean;
  /** `null` where pages that are written cannot be tracked. */
  readonly tracking: DirtyTracking | null;
}

export interface GuestTarget extends Guest {
  readonly kind: 'guest';
  /** Frame of the top table. */
  readonly table: PageNumber;
}

export interface NestedTarget extends Guest {
  readonly kind: 'nested';
  /** Page of the top table in the host table. */
  readonly table: PageNumber;
  readonly host: HostTarget;
}

/** A GCR3 table of somebody else. */
export interface PasidTableTarget extends Guest {
  readonly kind: 'PASID table';
  /** In the host table. */
  readonly place: Gcr3Place;
  readonly host: HostTarget;
  /** Requests without PASID use the guest table of PASID 0. */
  readonly usesPasidZero: boolean;
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
  /** What leads to guest tables; `null` while nothing does. */
  gcr3: Gcr3 | null;
}

export interface Gcr3 {
  readonly place: Gcr3Place;
  /** `null`: somebody else keeps it. */
  readonly table: Gcr3Table | null;
  /** The domain id of what is translated here: the device's own. */
  readonly did: number;
  /** Of guest tables. */
  readonly levels: 4 | 5;
}

/** The GCR3 entry that serves a PASID. */
export function indexOf(pasid: number): number {
  return pasid < 0 ? PASID_OF_NONE : pasid;
}

export function isGuest(target: Target): target is GuestsTarget {
  return target.kind === 'guest' || target.kind === 'nested' || target.kind === 'PASID table';
}

export function hostOf(target: Target): HostTarget | null {
  if (target.kind === 'host') return target;
  return target.kind === 'nested' || target.kind === 'PASID table' ? target.host : null;
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
