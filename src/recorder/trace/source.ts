/** Something whose run can be traced and measured: a scenario on a machine, or the timed path of a DMA. */
import type { Recorder } from '../recorder.ts';
import type { TaskListener } from '../tasks.ts';
import type { TraceSection } from './record.ts';

export interface TraceSource extends TraceSection {
  readonly clock: { readonly now: number };
  /** Where there are events. */
  readonly recorder: Recorder | null;
  /** Tells `listener` of every task: before time passes. */
  watch(listener: TaskListener): void;
}
