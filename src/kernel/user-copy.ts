/** How the kernel takes structures from a process and gives them back: the size rules of extensible structures. */
import { PAGE_SIZE, wordsOf } from '../../hardware/bits/index.ts';
import { type AnyStruct, E2BIG, EFAULT, EINVAL, type Members, type ObjectOf, type Struct } from '../uapi/index.ts';
import type { AddressSpace } from './memory/address-space.ts';

/** Size of the `argsz` that every structure begins with. */
const HEADER_BYTES = 4;
const NOTHING = new Uint8Array(0);

/**
 * Checks and copies the structure at `address`, or gives the errno: EFAULT when it cannot be read, EINVAL when `argsz` is
 * smaller than the structure or padding is not 0, E2BIG when there are non-zero bytes behind what the kernel knows or
 * `argsz` exceeds a page.
 */
export function copyStructFromUser(space: AddressSpace, struct: AnyStruct, address: bigint): Uint8Array | number {
  const header = space.copyFromUser(address, HEADER_BYTES);
  if (header === undefined) return -EFAULT;
  const argsz = wordsOf(header)[0]!;
  if (argsz < struct.bytes) return -EINVAL;
  if (argsz > PAGE_SIZE) return -E2BIG;
  const bytes = space.copyFromUser(address, argsz);
  if (bytes === undefined) return -EFAULT;
  if (bytes.subarray(struct.bytes).some((byte) => byte !== 0)) return -E2BIG;
  const words = wordsOf(bytes, struct.bytes / 4);
  if (struct.padding.some((field) => field.isSet(words))) return -EINVAL;
  return bytes.subarray(0, struct.bytes);
}

/** Writes `value` back to where it was read from, and what follows it: 0, -EFAULT. */
export function copyStructToUser<M extends Members>(
  space: AddressSpace,
  struct: Struct<M>,
  address: bigint,
  value: ObjectOf<M>,
  behind: Uint8Array = NOTHING,
): number {
  const bytes = new Uint8Array(struct.bytes + behind.length);
  bytes.set(struct.encode(value as object));
  bytes.set(behind, struct.bytes);
  return space.copyToUser(address, bytes);
}
