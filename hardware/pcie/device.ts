/** A device as a machine sees it: functions to be put behind a port, a state to be shown, a reset. */
import type { PcieFunction } from './function.ts';

export interface Device {
  readonly name: string;
  readonly functions: readonly PcieFunction[];
  /** Plain data. */
  readonly state: unknown;
  reset(): void;
}
