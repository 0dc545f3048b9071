/** What CHECK_EXTENSION of either version says yes to. */
import { IoasidExtension } from '../../uapi/index.ts';

/** MAP_TYPE1V2: an unmap never cuts a mapping. */
const { MAP_TYPE1V2, IOASID_NESTING, USER_PAGE_TABLE, USER_PASID_TABLE, MULTIDEV_GROUP, DMA_NO_SNOOP } =
  IoasidExtension;

const SUPPORTED: ReadonlySet<bigint> = new Set(
  [MAP_TYPE1V2, IOASID_NESTING, USER_PAGE_TABLE, USER_PASID_TABLE, MULTIDEV_GROUP, DMA_NO_SNOOP].map(BigInt),
);

/** 1 or 0. */
// biome-ignore lint/correctness/useYield: a command like any other, that has nothing to wait for
export function* checkExtension({ argument }: { readonly argument: bigint }): Generator<never, number> {
  return SUPPORTED.has(argument) ? 1 : 0;
}
