/** PASID-table entries (VT-d 9.6) as the driver fills them in. Supervisor requests stay blocked: SRE is 0. */
import { encode, type Values } from '../../../hardware/bits/index.ts';
import { FirstStagePagingMode, PASID_ENTRY, PasidTranslationType } from '../../../hardware/vtd/spec/index.ts';
import type { Capabilities } from './capabilities.ts';
import { HPT_SIZE } from './host-permission-table.ts';
import type { FirstStage, PermissionRoot, SecondStage, Target } from './routes.ts';

export function pasidEntry(target: Target, { scalable }: Capabilities): Uint32Array {
  const common = { P: 1, DID: target.did, PWSNP: scalable?.walkSnoop === true ? 1 : 0 };
  return encode(PASID_ENTRY, { ...common, ...stages(target), ...permissionsOf(target) });
}

function permissionsOf({ permissions }: { permissions: PermissionRoot | null }): Values<typeof PASID_ENTRY> {
  return permissions === null ? {} : { HPTSZ: HPT_SIZE, HPTPTR: permissions.root, HPTDID: permissions.did };
}

function stages(target: Target): Values<typeof PASID_ENTRY> {
  switch (target.kind) {
    case 'first-stage':
      return { PGTT: PasidTranslationType.FIRST_STAGE, ...firstStage(target) };
    case 'second-stage':
      return { PGTT: PasidTranslationType.SECOND_STAGE, ...secondStage(target) };
    case 'nested':
      return { PGTT: PasidTranslationType.NESTED, ...firstStage(target), ...secondStage(target) };
    case 'pass-through':
      return { PGTT: PasidTranslationType.PASS_THROUGH };
  }
}

/** First-stage entries cannot ask for snooping as those of the second stage can: the PASID-table entry does. */
function firstStage({ table, levels, snoop }: FirstStage): Values<typeof PASID_ENTRY> {
  const FSPM = levels === 5 ? FirstStagePagingMode.FIVE_LEVEL : FirstStagePagingMode.FOUR_LEVEL;
  return { FSPTPTR: table, FSPM, PGSNP: snoop ? 1 : 0 };
}

function secondStage({ root, addressWidth, tracking }: SecondStage): Values<typeof PASID_ENTRY> {
  return { SSPTPTR: root, AW: addressWidth, SSADE: tracking?.isOn === true ? 1 : 0 };
}
