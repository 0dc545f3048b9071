/** A moment in a run at which somebody asks: what stands there, under the names that it has there. */
import type { IommuInspector, Question } from '../../../hardware/index.ts';

export interface Moment {
  /** Whose moment it is, and when. */
  readonly title: string;
  readonly iommu: IommuInspector;
  /** The request that stands before the IOMMU at this moment, if one was asked for. */
  readonly request: Question | null;
  /** Devices by name. */
  readonly requesters: ReadonlyMap<string, number>;
  /** State of every component, by name. */
  readonly components: Readonly<Record<string, unknown>>;
}

/** The options by which a command line names a moment. */
export interface MomentOptions {
  readonly scenario?: string;
  readonly machine?: string;
  readonly set?: readonly string[];
  readonly dma?: string;
  readonly at?: string;
  readonly case?: string;
}
