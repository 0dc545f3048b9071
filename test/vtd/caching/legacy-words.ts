/** Context entries of legacy mode in literal bits (vtd.md section 2.2). */
import { type Context, Kind } from './world.ts';

const FAULTING: Readonly<Record<number, readonly [lo: bigint, hi: bigint]>> = {
  2: [0n, 0n],
  // TT is 11.
  3: [0xdn, 0x102n],
  // Bit 4 is reserved.
  11: [0x11n, 0x102n],
};

export function contextWords({ fault, space }: Context, levels: number): readonly bigint[] {
  if (space === null) return FAULTING[fault]!;
  const type = space.kind === Kind.PASS ? 2n : 0n;
  const width = BigInt((space.second?.levels ?? levels) - 2);
  return [BigInt(space.second?.top ?? 0) | (type << 2n) | 1n, width | (BigInt(space.did) << 8n)];
}
