/** What the tests of hostile input have in common. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { AmdViUnit } from '../../hardware/amdvi/index.ts';
import type { AmdFault } from '../../hardware/amdvi/spec/index.ts';
import { Status, type Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { bareUnit } from './bare-unit.ts';
import {
  ALL_CACHES,
  COMMANDS_EN,
  DEVICE_TABLE,
  EVENT_LOG_EN,
  GT_EN,
  IOMMU_EN,
  PPR_EN,
  PPR_LOG_EN,
  RAM,
} from './bench.ts';

export const EVERYTHING_ON = IOMMU_EN | EVENT_LOG_EN | COMMANDS_EN | PPR_LOG_EN | PPR_EN | GT_EN;
export const word64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 32n - 1n, EVERYTHING_ON, DEVICE_TABLE | 0x1ffn, 0xfff_ffff_ffff_f000n),
  fc.nat(63).map((n) => 1n << BigInt(n)),
);

export function unit(): { readonly one: AmdViUnit; readonly memory: PhysicalMemory } {
  const memory = new PhysicalMemory([[0, Number(RAM)]]);
  return { one: bareUnit(ALL_CACHES, { memory }), memory };
}

/** What a request may end in; the answer of a request that is let through names no byte beyond 52 bits. */
export function sane(t: Translation<AmdFault>): void {
  expect([Status.SUCCESS, Status.UNSUPPORTED_REQUEST, Status.COMPLETER_ABORT]).toContain(t.status);
  if (t.fault === null && t.status === Status.SUCCESS && t.leaf.rights !== 0) {
    expect(Number.isInteger(t.hpaHi) && Number.isInteger(t.hpaLo)).toBe(true);
  }
}
