/** A condition that blocks a request, as it is told to somebody who asks. */
import type { ExplainedFault } from '../../iommu/index.ts';
import { type AmdFault, FAULT_HINTS, FAULTS, type FaultName, stageOf } from '../spec/index.ts';

export function explainedFault(fault: AmdFault, recorded: boolean): ExplainedFault {
  const { code, name, meaning } = fault;
  const row = Object.entries<AmdFault>(FAULTS).find(([, declared]) => declared === fault)?.[0] as FaultName | undefined;
  const [stage, hint] = row === undefined ? ['', ''] : [stageOf(row), FAULT_HINTS[row]];
  return { code, name, meaning, stage, hint, recorded };
}
