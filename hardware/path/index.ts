/** The timed path of a DMA. */
export { type DeviceTranslations, DeviceTranslator } from './device-translator.ts';
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
export { type PacketsSpec, TranslatedPackets } from './translated-packets.ts';
export { TranslatedReads } from './translated-reads.ts';
