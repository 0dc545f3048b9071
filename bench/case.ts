/** What a benchmark of host speed is: a function that performs a known number of operations per call. */
export interface BenchCase {
  readonly name: string;
  /** What one operation is, in a few words. */
  readonly operation: string;
  /** Goal for one core of a quiet host, in nanoseconds per operation; nothing where none was set. */
  readonly goalNsPerOp?: number;
  readonly bound?: Bound;
  /** Operations per call: at least 10,000, so that the call itself does not count. */
  readonly operations: number;
  /** Everything that is not timed happens here. The checksum keeps the work from being optimised away. */
  make(): () => number;
  /** Makes as many things as there are operations in a call, for who counts the memory that they take while they are held. */
  hold?(): unknown;
}

/** What the same algorithm took in C over flat memory, without checks. */
export interface Bound {
  readonly nsPerOp: number;
  /** What stands between it and the figure. */
  readonly between: string;
}
