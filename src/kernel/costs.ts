/** What the kernel's work takes, in nanoseconds. Not architectural: round numbers of the order of a 3 GHz core. */
export interface KernelCosts {
  /** Entering and leaving the kernel. */
  readonly systemCall: number;
  /** Copying between a process and the kernel, per started 64 bytes. */
  readonly copyLine: number;
  /** Taking a block of pages from the allocator or giving it back. */
  readonly allocate: number;
  /** Clearing one page. */
  readonly clearPage: number;
  /** Pinning or unpinning one page. */
  readonly pinPage: number;
  /** Looking for free I/O virtual addresses among all that there are, or putting some back there. */
  readonly iovaSearch: number;
  /** The same where a cache of freed ones has some, or takes them. */
  readonly iovaCached: number;
  /** Writing one table entry or descriptor. */
  readonly writeEntry: number;
  /** From the interrupt message to the first instruction of its handler. */
  readonly interruptEntry: number;
  /** First pause between two looks at hardware that is busy; it doubles up to `pollLongest`. */
  readonly pollFirst: number;
  readonly pollLongest: number;
  /** After this long hardware counts as dead. */
  readonly hardwareTimeout: number;
}

export const DEFAULT_COSTS: KernelCosts = {
  systemCall: 100,
  copyLine: 5,
  allocate: 50,
  clearPage: 60,
  pinPage: 40,
  iovaSearch: 100,
  iovaCached: 20,
  writeEntry: 5,
  interruptEntry: 500,
  pollFirst: 20,
  pollLongest: 1_000,
  hardwareTimeout: 10_000_000,
};

const CACHE_LINE = 64;

/** What copying so many bytes takes, in nanoseconds. */
export function copying({ copyLine }: KernelCosts, bytes: number): number {
  return Math.ceil(bytes / CACHE_LINE) * copyLine;
}
