/** The hardware library's front door. */
export type {
  CacheView,
  DeviceMessage,
  EntryView,
  ExplainedFault,
  Explanation,
  ExplanationResult,
  ExplanationStep,
  FieldView,
  IommuInspector,
  Qualifier,
  Question,
  TableNode,
} from './iommu/index.ts';
export { entryView, rawView } from './iommu/index.ts';
export {
  type AmdCapabilities,
  createRig,
  type DmaRequest,
  type DmaResult,
  type HostMemory,
  type IntelCapabilities,
  NotSupported,
  type PageRequestMessage,
  type Rig,
  type RigFault,
  type RigOptions,
  type Segment,
  type TranslateRequest,
  type TranslationCompletion,
  type TranslationRequest,
  type TranslationResult,
} from './rig.ts';
