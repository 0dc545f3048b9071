/** Validation against published measurements: every group that has a model. */
import { FANDS_MODELS } from './fands.ts';
import { FAULTS_MODEL } from './faults.ts';
import { HOST_NETWORK_MODEL } from './host-network.ts';
import { HYPERTRIO_MODEL } from './hypertrio.ts';
import { IOTLB_SC_MODEL } from './iotlb-sc.ts';
import { LINUX_MODES_MODEL } from './linux-modes.ts';
import { PCIE_MODEL } from './pcie-model/index.ts';
import { PCIE_BENCH } from './pciebench/index.ts';
import type { Point } from './point.ts';
import { RIOMMU_MODEL } from './riommu.ts';
import { type GroupModel, judge, type Verdict } from './validate.ts';

export { experimentOf as experimentOfPcieBench } from './pciebench/conditions.ts';
export { type Point, readPoints } from './point.ts';
export {
  type KindSummary,
  type Status,
  type Summary,
  summarize,
  summarizeKinds,
  type Totals,
  type Verdict,
} from './validate.ts';

const MODELS: readonly GroupModel[] = [
  PCIE_MODEL,
  ...PCIE_BENCH,
  HOST_NETWORK_MODEL,
  HYPERTRIO_MODEL,
  ...FANDS_MODELS,
  RIOMMU_MODEL,
  IOTLB_SC_MODEL,
  FAULTS_MODEL,
  LINUX_MODES_MODEL,
];

/** Simulates what the point was measured from, if there is a model of it. */
export function validatePoint(point: Point): Verdict {
  return judge(point, MODELS);
}
