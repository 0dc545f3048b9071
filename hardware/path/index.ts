/** The timed path of a DMA. */
export { type Commander, DmaPath, type PathParts } from './dma-path.ts';
export { LooseStreams } from './loose-streams.ts';
export { LooselyTimedPath, type LoosePathParts } from './loosely-timed.ts';
export { MILESTONES, Milestone, PLACES, Shares } from './milestones.ts';
export {
  type Burst,
  type BurstPiece,
  burstPieces,
  OrderedPort,
  type OrderedPortParts,
  type OrderedPortSpec,
} from './ordered-port.ts';
export type { DmaDeviceSpec, PathLinkSpec, PathRootSpec, PathSpec } from './parameters.ts';
export { meanOf, percentileOf, type SingleSpec, SingleTransfers } from './single.ts';
export { RandomTransfers, Streams, type Traffic, type Transfers, type Window } from './streams.ts';
export { Command } from './transaction.ts';
export { type DeviceTranslations, TranslatedReads } from './translated-reads.ts';
