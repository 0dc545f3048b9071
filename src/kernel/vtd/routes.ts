/** What leads from a requester to its domain: context tables in legacy mode, context and PASID tables in scalable mode. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { DirtyTracking } from '../iommu/dirty-tracking.ts';
import type { Router } from '../iommu/routed-translation.ts';
import type { PciDevice } from '../pci/index.ts';

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
  /** `null` where pages that are written cannot be tracked. */
  readonly tracking: DirtyTracking | null;
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

/** Requests that are routed, and where they go. */
export interface Use {
  readonly device: PciDevice;
  readonly pasid: number;
  readonly target: Target;
}

export interface Routes extends Router<Target> {
  /** Frame of the root table. */
  readonly root: PageNumber;
  /** RTADDR.TTM */
  readonly mode: number;
  /** Frees the tables, while the unit has not been told of the root. */
  destroy(): void;
  /**
   * Writes the entries of these requests anew, whose second stage is tracked or not any more: 0 when hardware has
   * forgotten what they said before, and all that was translated; -EIO.
   */
  retrack(uses: readonly Use[]): Script<number>;
}
