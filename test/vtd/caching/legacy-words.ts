/** Context entries of legacy mode in literal bits (vtd.md section 2.2). */
import { type Context, Kind } from './world.ts';

const FAULTING: Readonly<Record<number, readonly [lo: bigint, hi: bigint]>> = {
  2: [0n, 0n],
  // TT is 11.
  3: [0xdn, 0x102n],
  // Bit 4 is reserved.
  11: [0x11n, 0x102n],
};

export function contextWords({ fault, fpd, deviceTlb, space }: Context, levels: number): readonly bigint[] {
  const disable = fpd ? 2n : 0n;
  if (space === null) {
    const [lo, hi] = FAULTING[fault]!;
    return [lo | disable, hi];
  }
  const type = space.kind === Kind.PASS ? 2n : deviceTlb ? 1n : 0n;
  const width = BigInt((space.second?.levels ?? levels) - 2);
  return [BigInt(space.second?.top ?? 0) | (type << 2n) | disable | 1n, width | (BigInt(space.did) << 8n)];
}
