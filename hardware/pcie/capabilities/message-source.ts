/** What MSI and MSI-X have in common for a function that wants to interrupt: vectors with a message and a mask each. */
export interface MessageSource {
  /** Interrupts are sent in this way. */
  readonly enabled: boolean;
  /** Number of vectors that the function may use. */
  readonly vectors: number;
  /** Called when a vector that was held back may be sent. */
  onUnmask: ((vector: number) => void) | null;
  /** True when the vector is masked: it is then pending, and will be told to `onUnmask`. */
  hold(vector: number): boolean;
  /** Message address, as two int32 halves. */
  addressHi(vector: number): number;
  addressLo(vector: number): number;
  data(vector: number): number;
}
