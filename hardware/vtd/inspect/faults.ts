/** A condition that blocks a request, as it is told to somebody who asks. */
import type { ExplainedFault } from '../../iommu/index.ts';
import { FAULT_HINTS, FAULTS, type Fault, type FaultName } from '../spec/index.ts';

export function explainedFault(fault: Fault, recorded: boolean): ExplainedFault {
  const { code, name, meaning, stage } = fault;
  const row = Object.entries<Fault>(FAULTS).find(([, declared]) => declared === fault)?.[0];
  return { code, name, meaning, stage, hint: row === undefined ? '' : FAULT_HINTS[row as FaultName], recorded };
}
