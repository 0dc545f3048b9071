/** Version 1's BIND and UNBIND: a nested space becomes one whose table a process keeps, and back. */
import { pageOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EBUSY,
  EINVAL,
  EOPNOTSUPP,
  type IOASID_PASID_TABLE,
  type IOASID_PGTABLE,
  IoasidFormat,
  IoasidPasidTableFlag,
  type ObjectIn,
} from '../../uapi/index.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import type { IoasidContext } from './context.ts';
import type { Ioasid } from './ioasid.ts';
import { KernelTable } from './kernel-table.ts';
import { MOST_PASID_BITS, PasidTable } from './pasid-table.ts';
import type { IoTable } from './table.ts';
import { LEVELS_OF_WIDTH, UserTable } from './user-table.ts';

type Pgtable = ObjectIn<typeof IOASID_PGTABLE>;
type Table = ObjectIn<typeof IOASID_PASID_TABLE>;

/**
 * Leads the devices that are attached to a nested space through a table of the process: -EINVAL for a root, one that has a
 * table already or is used in software, or a table that is not at the start of a page; -EBUSY while anything is mapped or nested there;
 * -EOPNOTSUPP for a format that the IOMMU does not walk.
 */
export function* bindTable(context: IoasidContext, child: Ioasid, pgtable: Pgtable): Script<number> {
  const { vendor, addr, address_width: width } = pgtable;
  return yield* bind(context, child, addr, (parent) => {
    const levels = vendor === IoasidFormat.X86 ? LEVELS_OF_WIDTH.get(width) : undefined;
    return levels === undefined ? -EOPNOTSUPP : new UserTable({ parent, table: pageOf(addr), levels });
  });
}

/**
 * Leads all requests of the devices that are attached to a nested space, with PASIDs and without, through a PASID table of the
 * process. As above; -EINVAL also for a number of bits that no PASID has or the IOMMU does not tell apart, and for a space that
 * a PASID leads to; -EOPNOTSUPP also where the IOMMU finds PASID tables at host addresses only, as Intel's do.
 */
export function* bindPasidTable(context: IoasidContext, child: Ioasid, argument: Table): Script<number> {
  const { flags, vendor, addr, size: pasidBits, address_width: width } = argument;
  const usesPasidZero = (flags & IoasidPasidTableFlag.GIOV) !== 0;
  const { attachments } = child;
  return yield* bind(context, child, addr, (parent) => {
    const { pasidTableBits, nestedLevels } = attachments[0]!.bound.group.driver.abilities;
    const levels = vendor === IoasidFormat.AMD_GCR3 ? LEVELS_OF_WIDTH.get(width) : undefined;
    if (levels === undefined || pasidTableBits === 0 || !nestedLevels.includes(levels)) return -EOPNOTSUPP;
    if (pasidBits === 0 || pasidBits > MOST_PASID_BITS) return -EINVAL;
    if (attachments.some(({ pasid }) => pasid !== NO_PASID)) return -EINVAL;
    return new PasidTable({ parent, table: pageOf(addr), pasidBits, levels, usesPasidZero });
  });
}

function* bind(
  context: IoasidContext,
  child: Ioasid,
  addr: bigint,
  make: (parent: KernelTable) => IoTable | number,
): Script<number> {
  const { parent, table } = child;
  if (!(parent?.table instanceof KernelTable) || !(table instanceof KernelTable)) return -EINVAL;
  // What hardware is to walk, software cannot use.
  if (BigInt.asUintN(12, addr) !== 0n || child.software.size > 0) return -EINVAL;
  const made = make(parent.table);
  if (typeof made === 'number') return made;
  if (table.mappings.count > 0 || child.children.size > 0) return -EBUSY;
  return yield* context.replaceTable(child, made);
}

/** Nothing is mapped in the space any more: -EINVAL when it has no page table of the process. */
export function* unbindTable(context: IoasidContext, child: Ioasid): Script<number> {
  return child.table instanceof UserTable ? yield* unbind(context, child) : -EINVAL;
}

/** The same of a PASID table; -EBUSY while a device is attached to a space by one of its PASIDs. */
export function* unbindPasidTable(context: IoasidContext, child: Ioasid): Script<number> {
  if (!(child.table instanceof PasidTable)) return -EINVAL;
  return child.attachments.some(({ bound }) => bound.hasPasids) ? -EBUSY : yield* unbind(context, child);
}

function* unbind(context: IoasidContext, child: Ioasid): Script<number> {
  const above = child.parent?.table;
  if (!(above instanceof KernelTable)) return -EINVAL;
  const shape = { name: `ioasid ${child.id}`, parent: above, keepsMappings: false };
  return yield* context.replaceTable(child, new KernelTable(shape, context.services));
}
