/** Machines of both vendors on which `/dev/iommu` is tried, and what each refused command owes: that nothing has changed. */
import { expect } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench } from './bench.ts';
import type { MachineBench, MachineOptions } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { aroundStanding, type Standing } from './v2-bench.ts';

export type Up = (options?: MachineOptions) => MachineBench;

export const MACHINES: readonly (readonly [name: string, up: Up])[] = [
  ['an Intel unit in legacy mode', (options) => Bench.up(options)],
  ['an Intel unit that nests', (options) => scalableBench(options)],
  ['an AMD unit without guest tables', (options) => AmdBench.up(options)],
  ['an AMD unit that nests', (options) => AmdBench.up({ ...options, efr: GUEST_EFR })],
];

/** Pages stay charged and pinned, tables keep their size, DMA keeps going where it went. */
export function expectUnchanged(bench: MachineBench, body: (s: Standing) => Script): void {
  const [before, after] = aroundStanding(bench, body);
  expect(before).toMatchObject({ locked: 4, pinned: 4, read: { ok: true } });
  expect(after).toEqual(before);
}
