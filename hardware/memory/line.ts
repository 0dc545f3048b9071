/** Cache lines: in what caches keep memory, and DRAM transfers it. */
export const LINE_BYTES = 64;

export function lineOf(address: number): number {
  return Math.floor(address / LINE_BYTES);
}
