/** Memory of a program, and where the device sees it. */
export interface DeviceMemory {
  readonly address: bigint;
  readonly iova: bigint;
}
