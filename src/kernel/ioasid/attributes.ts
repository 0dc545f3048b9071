/** What a space is to be, as version 2's IOMMU_IOASID_ALLOC says it. */
import { pageOf } from '../../../hardware/bits/index.ts';
import {
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  INVALID_IOASID,
  type IOMMU_IOASID_ATTRIBUTES,
  IommuFormat,
  IommuIoasidFlag,
  IommuIoasidType,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { IoasidContext } from './context.ts';
import type { Ioasid, IoasidShape } from './ioasid.ts';
import { KernelTable } from './kernel-table.ts';
import { MOST_PASID_BITS, PasidTable } from './pasid-table.ts';
import { LEVELS_OF_WIDTH, UserTable } from './user-table.ts';

type Attributes = ObjectIn<typeof IOMMU_IOASID_ATTRIBUTES>;
/** A space with this shape, under the name that it will have. */
type Shaped = (name: string) => IoasidShape;

export const ATTRIBUTE_FLAGS = Object.values(IommuIoasidFlag).reduce((all, flag) => all | flag, 0);

const { USER_PGTABLE, USER_PASID_TABLE, ENFORCE_SNOOP, NO_ENFORCE_SNOOP, DIRTY_TRACKING, DUMMY, GIOV } =
  IommuIoasidFlag;
const KERNEL_ONLY = ENFORCE_SNOOP | NO_ENFORCE_SNOOP | DIRTY_TRACKING | DUMMY;
/** Levels of page tables. */
const PAGE_TABLES = new Map<number, 4 | 5>([
  [IommuFormat.X86_4LEVEL, 4],
  [IommuFormat.X86_5LEVEL, 5],
]);
/** Levels of the page tables that PASID tables lead to. */
const PASID_TABLES = new Map<number, 4 | 5>([
  [IommuFormat.AMD_GCR3, 4],
  [IommuFormat.AMD_GCR3_5LEVEL, 5],
]);
/** No address has more bits. */
const WIDEST = 64;

/**
 * -EINVAL: attributes that do not go together, a user-managed table without a parent, a table that is not at the start of a
 * page, no width; -ENOENT: no such parent; -EOPNOTSUPP: a format that this kernel does not know. Whether the IOMMU of a device
 * knows it the attach says.
 */
export function shapeOf(context: IoasidContext, attributes: Attributes): Shaped | number {
  const { flags, parent_ioasid: id } = attributes;
  const parent = id === INVALID_IOASID ? null : context.get(id);
  if (parent === undefined) return -ENOENT;
  const owners = flags & (USER_PGTABLE | USER_PASID_TABLE);
  return owners === 0 ? kernelManaged(context, attributes, parent) : userManaged(attributes, parent);
}

function kernelManaged(context: IoasidContext, attributes: Attributes, parent: Ioasid | null): Shaped | number {
  const { flags, type, addr, format, addr_width: addressWidth } = attributes;
  const has = (flag: number) => (flags & flag) !== 0;
  if (type !== IommuIoasidType.KERNEL_TYPE1V2 || addr !== 0n || format !== 0 || has(GIOV)) return -EINVAL;
  if (addressWidth === 0 || addressWidth > WIDEST) return -EINVAL;
  if (has(ENFORCE_SNOOP) && has(NO_ENFORCE_SNOOP)) return -EINVAL;
  if (has(DUMMY) && (parent !== null || has(DIRTY_TRACKING | ENFORCE_SNOOP | NO_ENFORCE_SNOOP))) return -EINVAL;
  const above = parent === null ? null : parent.table;
  if (above !== null && !(above instanceof KernelTable)) return -EINVAL;
  const snoop = has(ENFORCE_SNOOP | NO_ENFORCE_SNOOP) ? { enforceSnoop: has(ENFORCE_SNOOP) } : {};
  const dirtyTracking = has(DIRTY_TRACKING);
  return (name) => {
    const shape = { name, parent: above, addressWidth, keepsMappings: true, dirtyTracking, ...snoop };
    return { parent, isDummy: has(DUMMY), table: new KernelTable(shape, context.services) };
  };
}

function userManaged(
  { flags, type, addr, format, addr_width: width }: Attributes,
  parent: Ioasid | null,
): Shaped | number {
  if (parent === null || parent.isDummy || !(parent.table instanceof KernelTable)) return -EINVAL;
  if ((flags & KERNEL_ONLY) !== 0 || type !== 0 || BigInt.asUintN(12, addr) !== 0n) return -EINVAL;
  const place = { parent: parent.table, table: pageOf(addr) };
  if ((flags & USER_PASID_TABLE) === 0) {
    const levels = PAGE_TABLES.get(format);
    if (levels === undefined) return -EOPNOTSUPP;
    if (LEVELS_OF_WIDTH.get(width) !== levels || (flags & GIOV) !== 0) return -EINVAL;
    const table = new UserTable({ ...place, levels });
    return () => ({ parent, table });
  }
  const levels = PASID_TABLES.get(format);
  if (levels === undefined) return -EOPNOTSUPP;
  if (width === 0 || width > MOST_PASID_BITS || (flags & USER_PGTABLE) !== 0) return -EINVAL;
  const table = new PasidTable({ ...place, levels, pasidBits: width, usesPasidZero: (flags & GIOV) !== 0 });
  return () => ({ parent, table });
}
