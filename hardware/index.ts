/** The hardware library's front door. */
export type {
  CacheView,
  EntryView,
  ExplainedFault,
  Explanation,
  ExplanationResult,
  ExplanationStep,
  FieldView,
  IommuInspector,
  Question,
  TableNode,
} from './iommu/index.ts';
export {
  type AmdCapabilities,
  createRig,
  type DmaRequest,
  type DmaResult,
  type HostMemory,
  type IntelCapabilities,
  NotSupported,
  type Rig,
  type RigFault,
  type RigOptions,
  type Segment,
  type TranslateRequest,
} from './rig.ts';
