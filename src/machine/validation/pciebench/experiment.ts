/** What can be measured with pcie-bench. */

/** Sandy Bridge, Ivy Bridge, Haswell (E5-2637v3, E5-2620v3, E3-1226v3) and Broadwell. */
export type MachineName = 'snb' | 'ivb' | 'hsw' | 'hsw-2620v3' | 'hsw-e3' | 'bdw';

/** What is said of how long transfers take. */
export type Statistic = 'mean' | 'median' | 'p95' | 'min' | 'max' | { readonly percentile: number };

export interface Experiment {
  /** Which of the measured machines. */
  readonly machine: MachineName;
  /** off: no translation; 4K: pages of 4 KiB only; superpages: as large as they come. */
  readonly iommu: 'off' | '4K' | 'superpages';
  /** The buffer's memory is that of the device's socket or of the other. */
  readonly node: 'local' | 'remote';
  /** Transfers that read, that write, one and the other by turns, or a write and then a read of the same. */
  readonly kind: 'read' | 'write' | 'readWrite' | 'writeRead';
  /** The device's DMA engine, or its command path (LAT_CMD). */
  readonly engine: 'dma' | 'command';
  /** Bytes of a transfer, of the window, and from the start of a unit of the window to the transfer. */
  readonly bytes: number;
  readonly window: number;
  readonly offset: number;
  readonly cache: 'warm' | 'cold';
  readonly measure: 'bandwidth' | Statistic;
}
