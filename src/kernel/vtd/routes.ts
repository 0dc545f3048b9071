/** What leads from a requester to its domain: context tables in legacy mode, context and PASID tables in scalable mode. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Router } from '../iommu/routed-translation.ts';

/** What the tables say about a domain. */
export type Target = FirstStageTarget | SecondStageTarget | NestedTarget | PassThroughTarget;

/** Where the host permissions of a domain are, and under which domain id they are cached. */
export interface PermissionRoot {
  readonly root: PageNumber;
  readonly did: number;
}

interface Stage {
  /** Of a domain for devices whose translated requests are checked. */
  readonly permissions: PermissionRoot | null;
  /** DMA snoops whatever the device asks for. */
  readonly snoop: boolean;
}

export interface SecondStage extends Stage {
  /** Frame of the top table. */
  readonly root: PageNumber;
  /** CONTEXT_ENTRY.AW, PASID_ENTRY.AW */
  readonly addressWidth: number;
}

export interface FirstStage extends Stage {
  /** Frame of the top table; when nested a page of the second stage. */
  readonly table: PageNumber;
  readonly levels: 4 | 5;
}

export interface SecondStageTarget extends SecondStage {
  readonly kind: 'second-stage';
  readonly did: number;
}

export interface FirstStageTarget extends FirstStage {
  readonly kind: 'first-stage';
  readonly did: number;
}

export interface NestedTarget extends FirstStage, SecondStage {
  readonly kind: 'nested';
  readonly did: number;
}

export interface PassThroughTarget {
  readonly kind: 'pass-through';
  readonly did: number;
  readonly permissions: null;
}

export interface Routes extends Router<Target> {
  /** Frame of the root table. */
  readonly root: PageNumber;
  /** RTADDR.TTM */
  readonly mode: number;
}
