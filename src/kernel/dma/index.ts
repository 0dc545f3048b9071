/** The DMA API: what drivers inside the kernel lend memory to their devices with. */
export { DefaultDomains, type DefaultDomainType } from './default-domain.ts';
export { type CoherentMemory, DeviceDma, type DmaDirection } from './device-dma.ts';
export type { DmaPolicy } from './dma-space.ts';
export type { DmaPiece, DmaSegment } from './segments.ts';
