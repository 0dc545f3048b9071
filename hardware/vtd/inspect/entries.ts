/** The layout of a table entry or descriptor by the name under which a walk reports it, and its value. */
import type { AnyLayout, Words } from '../../bits/index.ts';
import { FIRST_STAGE_NAMES, firstStageLayout, SECOND_STAGE_NAMES, secondStageLayout } from '../../formats/index.ts';
import * as spec from '../spec/index.ts';

const BY_NAME: Readonly<Record<string, AnyLayout>> = Object.fromEntries(
  [
    spec.ROOT_ENTRY,
    spec.CONTEXT_ENTRY,
    spec.SCALABLE_ROOT_ENTRY,
    spec.SCALABLE_CONTEXT_ENTRY,
    spec.PASID_DIRECTORY_ENTRY,
    spec.PASID_ENTRY,
    spec.HPTL4E,
    spec.HPTL3E,
    spec.HPTL2E,
    spec.HPTL1E,
    spec.IRTE_REMAPPED,
    spec.IRTE_REMAPPED_XAPIC,
    spec.IRTE_POSTED,
    spec.POSTED_INTERRUPT_DESCRIPTOR,
    spec.POSTED_INTERRUPT_DESCRIPTOR_XAPIC,
  ].map((of: AnyLayout) => [of.$.name, of]),
);

export function entryLayout(what: string, words: Words): AnyLayout | undefined {
  const lo = words[0]! | 0;
  const secondStage = SECOND_STAGE_NAMES.indexOf(what);
  if (secondStage > 0) return secondStageLayout(secondStage, lo);
  const firstStage = FIRST_STAGE_NAMES.indexOf(what);
  if (firstStage > 0) return firstStageLayout(firstStage, lo);
  return Object.hasOwn(BY_NAME, what) ? BY_NAME[what] : undefined;
}
