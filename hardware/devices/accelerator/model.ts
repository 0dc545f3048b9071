/** What an accelerator is built from. */
import { Version } from './spec/index.ts';

export interface AcceleratorSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** VERSION: 0x100, or 0x200 with an event log. */
  readonly version: number;
  /** Up to 64 work queues, 16 groups, 32 engines. */
  readonly workQueues: number;
  readonly groups: number;
  readonly engines: number;
  /** Entries of all work queues together. */
  readonly entries: number;
  /** log2 of the largest transfer, and of the most descriptors of a batch. */
  readonly maxTransferShift: number;
  readonly maxBatchShift: number;
  /** Descriptors that an engine works on at a time; of a batch, also so many. */
  readonly descriptorsInProgress: number;
  /** Interrupts are named by handles that software requests, not by entries of the MSI-X table. */
  readonly interruptHandles: boolean;
  /** Page requests that may be outstanding. */
  readonly pageRequests: number;
  /** How often a page is asked for that still has no translation after a successful response. */
  readonly pageAttempts: number;
  readonly payloadSupported: number;
  /** Reads that may be outstanding. */
  readonly tags: number;
}

/** Numbers of Sapphire Rapids, as far as they are known; the rest is not architectural. */
export const ACCELERATOR = {
  version: Version.V2,
  workQueues: 8,
  groups: 4,
  engines: 4,
  entries: 128,
  maxTransferShift: 31,
  maxBatchShift: 10,
  descriptorsInProgress: 4,
  interruptHandles: false,
  pageRequests: 64,
  pageAttempts: 4,
  payloadSupported: 512,
  tags: 64,
} as const;

/** Vector 0 is for the device's own causes, the others for completions. */
export function vectorsOf({ workQueues }: AcceleratorSpec): number {
  return 1 + workQueues;
}
