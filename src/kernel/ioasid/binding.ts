/** Version 1's BIND and UNBIND: a nested space becomes one whose table a process keeps, and back. */
import { pageOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EOPNOTSUPP, type IOASID_PGTABLE, IoasidFormat, type ObjectIn } from '../../uapi/index.ts';
import type { IoasidContext } from './context.ts';
import type { Ioasid } from './ioasid.ts';
import { KernelTable } from './kernel-table.ts';
import { LEVELS_OF_WIDTH, UserTable } from './user-table.ts';

type Pgtable = ObjectIn<typeof IOASID_PGTABLE>;

/**
 * Leads the devices that are attached to a nested space through a table of the process: -EINVAL for a root, one that has a
 * table already, or a table that is not at the start of a page; -EBUSY while anything is mapped or nested there;
 * -EOPNOTSUPP for a format that the IOMMU does not walk.
 */
export function* bindTable(context: IoasidContext, child: Ioasid, pgtable: Pgtable): Script<number> {
  const { parent, table } = child;
  const { vendor, addr, address_width: width } = pgtable;
  if (!(parent?.table instanceof KernelTable) || !(table instanceof KernelTable)) return -EINVAL;
  if (BigInt.asUintN(12, addr) !== 0n) return -EINVAL;
  const levels = vendor === IoasidFormat.X86 ? LEVELS_OF_WIDTH.get(width) : undefined;
  if (levels === undefined) return -EOPNOTSUPP;
  if (table.mappings.count > 0 || child.children.size > 0) return -EBUSY;
  return yield* context.replaceTable(child, new UserTable({ parent: parent.table, table: pageOf(addr), levels }));
}

/** Nothing is mapped in the space any more: -EINVAL when it has no table of the process. */
export function* unbindTable(context: IoasidContext, child: Ioasid): Script<number> {
  const above = child.parent?.table;
  if (!(child.table instanceof UserTable) || !(above instanceof KernelTable)) return -EINVAL;
  const shape = { name: `ioasid ${child.id}`, parent: above, keepsMappings: false };
  return yield* context.replaceTable(child, new KernelTable(shape, context.services));
}
