/** A space whose table a guest keeps in its memory: attributes of its allocation in version 2, a bind afterwards in version 1. */
import { IOASID_BIND_PGTABLE, IoasidFormat, IommuFormat, IommuIoasidFlag, type Script } from '../../src/index.ts';
import type { User } from './user.ts';

export interface GuestSpace {
  readonly parent: number;
  /** Address of the top table, in the parent space. */
  readonly top: bigint;
}

/** The space, nested on its parent. In version 1 it has a table of the kernel until it is bound. */
export function nestForTable(user: User, { parent, top }: GuestSpace): Script<number> {
  if (user.version === 1) return user.nest(parent);
  return user.alloc({
    flags: IommuIoasidFlag.USER_PGTABLE,
    type: 0,
    parent_ioasid: parent,
    addr: top,
    format: IommuFormat.X86_4LEVEL,
    addr_width: 48,
  });
}

/** Version 1: devices that are attached to the space go through this table from now on; the note tells the way to an address. */
export function bindTable(user: User, ioasid: number, top: bigint, address: bigint): Script<number> {
  const { program, fd } = user;
  const format = { vendor: IoasidFormat.X86, address_width: 48 };
  const call = program.ioctl(fd, IOASID_BIND_PGTABLE, { child_ioasid: ioasid, addr: top, ...format });
  const words = `ioasid_fd: IOASID_BIND_PGTABLE(${ioasid}, 0x${top.toString(16)})`;
  return user.told(words, call, user.devicesOf(ioasid), address);
}
