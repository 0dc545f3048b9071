/** What CHECK_EXTENSION of either version says yes to. */
import { IoasidExtension } from '../../uapi/index.ts';

/** Of these; MAP_TYPE1V2 means that an unmap never cuts a mapping. */
const SUPPORTED: ReadonlySet<bigint> = new Set(
  Object.entries(IoasidExtension)
    .filter(([name]) => name !== 'MAP_NEWTYPE')
    .map(([, number]) => BigInt(number)),
);

/** 1 or 0. */
// biome-ignore lint/correctness/useYield: a command like any other, that has nothing to wait for
export function* checkExtension({ argument }: { readonly argument: bigint }): Generator<never, number> {
  return SUPPORTED.has(argument) ? 1 : 0;
}
