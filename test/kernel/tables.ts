/** DMAR tables for the kernel under test, right and wrong ones, and what the kernel says about them. */
import type { DeviceScope, DmarStructure } from '../../hardware/vtd/spec/dmar.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import { buildTable } from '../../src/machine/firmware/table.ts';
import { type Bench, chainTo, ONE_UNIT, type Tables } from './bench.ts';

export const UNIT = ONE_UNIT.structures[0] as Extract<DmarStructure, { type: 'DRHD' }>;

export const tableOf = (...structures: DmarStructure[]): Tables => chainTo(buildDmar({ ...ONE_UNIT, structures }));
export const endpoint = (rid: number): DeviceScope => ({
  type: 1,
  enumerationId: 0,
  startBus: rid >>> 8,
  path: [[(rid >>> 3) & 31, rid & 7]],
});
export const rmrr = (base: number, limit: number, ...rids: number[]): DmarStructure => ({
  type: 'RMRR',
  segment: 0,
  base: BigInt(base),
  limit: BigInt(limit),
  scope: rids.map(endpoint),
});
/** A structure's bytes behind the header of a DMAR table of 46 bits. */
export const rawDmar = (...bytes: number[]): Tables =>
  chainTo(buildTable('DMAR', 1, [45, 0, ...new Array<number>(10).fill(0), ...bytes]));
export const good = chainTo(buildDmar(ONE_UNIT));
export const damaged = (table: number, at: number, byte: number): Tables =>
  good.map(([address, bytes]) => [address, address === table ? bytes.with(at, byte) : bytes]);

/** What the kernel says about firmware's tables and units. */
export const remarks = ({ kernel }: Bench): string[] =>
  kernel.log.lines.map(({ text }) => text).filter((text) => /^(dmar|vtd\d): /.test(text) && !/VT-d \d/.test(text));
