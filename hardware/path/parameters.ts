/**
 * What the timed path of a DMA is built from. Every figure is a property of some machine, and none is architectural; times are
 * nanoseconds.
 */
import type { DllpModel, Generation, PayloadSize, Width } from '../pcie/index.ts';

/** A device that does nothing but DMA, as fast as it can: separate engines for reads and writes, and one for what lands. */
export interface DmaDeviceSpec {
  /** Read commands under way. Their places are given back in the order of the commands. */
  readonly tags: number;
  /** From one read command to the next. */
  readonly readIssue: number;
  /** What has come is put away in the order of the commands: of each command, and of each 64 bytes of it. */
  readonly landing: { readonly command: number; readonly line: number; readonly burstByte: number };
  /** Of each write command, and of each 128 bytes of it. */
  readonly write: { readonly command: number; readonly block: number };
  /** TLPs that wait between the write engine and the link. */
  readonly writeFifo: number;
  /** Between two TLPs of different engines, or of the same of the two slots that the write engine has. */
  readonly turnaround: number;
  readonly maxPayload: PayloadSize;
  readonly maxReadRequest: PayloadSize;
  /** From a command to its start and from its end to its report, together: for a DMA, and for an access from the command path. */
  readonly overhead: { readonly dma: number; readonly command: number };
}

export interface PathLinkSpec {
  readonly generation: Generation;
  readonly width: Width;
  /** What DLLPs take of the link. */
  readonly dllp: DllpModel;
  /** From the last byte at one end to the request or the data at the other, root complex and device included. */
  readonly latency: number;
}

export interface PathRootSpec {
  /** Lines of 64 bytes that posted writes may have under way. */
  readonly postedLines: number;
  /** From one non-posted request to the next: of each request, and of each byte that it asks for. */
  readonly read: { readonly request: number; readonly byte: number };
  /** Largest completion, in bytes. */
  readonly maxPayload: PayloadSize;
  /** From the turn of a write until everybody sees it; more when a line has to be made room for first. */
  readonly write: { readonly visible: number; readonly allocate: number };
  /** Bytes of the last-level cache into which writes of devices go. */
  readonly writeCache: number;
}

export interface PathSpec {
  readonly device: DmaDeviceSpec;
  readonly link: PathLinkSpec;
  readonly root: PathRootSpec;
}
