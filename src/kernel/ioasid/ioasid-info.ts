/** What version 1's IOASID_GET_INFO says of a space: what its devices' IOMMU can do with it. */
import type { Script } from '../../../hardware/sim/index.ts';
import { type IOASID_INFO, IoasidFormat, IoasidInfoFlag, type ObjectIn } from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { IoasidContext } from './context.ts';
import type { Ioasid } from './ioasid.ts';
import { addressWidth, pageSizes, reservedRanges, writeRanges } from './ranges.ts';

type Info = ObjectIn<typeof IOASID_INFO>;

const { MAP, BIND_PGTABLE, BIND_PASID_TABLE, SOFTWARE_NESTING, HARDWARE_NESTING } = IoasidInfoFlag;

/** 0, -EFAULT; -EMSGSIZE when there are more ranges than places, with their number in the structure. */
export function* ioasidInfo(ioasid: Ioasid, { process, argument, reply }: Call<IoasidContext, Info>): Script<number> {
  const abilities = ioasid.abilities!;
  const ranges = reservedRanges(abilities.geometry);
  const canNest = abilities.nestedLevels.length > 0;
  const canLeadPasids = abilities.pasidTableBits > 0;
  const binding = (canNest ? BIND_PGTABLE : 0) | (canLeadPasids ? BIND_PASID_TABLE : 0);
  const answered = reply({
    ...argument,
    flags: MAP | SOFTWARE_NESTING | (canNest ? HARDWARE_NESTING : 0) | (ioasid.parent === null ? 0 : binding),
    addr_width: addressWidth(abilities.geometry),
    pgsize_bitmap: pageSizes(abilities),
    formats: (canNest ? IoasidFormat.X86 : 0) | (canLeadPasids ? IoasidFormat.AMD_GCR3 : 0),
    children: ioasid.children.size,
    num_ranges: ranges.length,
  });
  if (answered < 0) return answered;
  return yield* writeRanges(process, argument, ranges);
}
