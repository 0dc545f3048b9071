/** Draining in simulated time: what an invalidation through registers waits for (VT-d 6.5.4, 11.4.6.3). */
import { describe, expect, it } from 'vitest';
import { TimedIommu } from '../../hardware/iommu/index.ts';
import { Board, RID } from '../pcie/board.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { BOTH, CONTEXT, DATA, REG, ROOT, SRTP, TE, tableAt } from './tables.ts';

const IVT = 1n << 63n;
const GLOBAL = 1n << 60n;
const DRAIN_WRITES = 1n << 48n;

/** A device's write is on its walk through the tables while software invalidates; then the tables change. */
function race(bits: bigint) {
  const { dma, engine, memory, controller, rootComplex } = new Board().bringUp();
  const unit = bareUnit({ capabilities: capabilities() }, { memory });
  const iommu = new TimedIommu(engine, unit, controller);
  rootComplex.attach(iommu);
  memory.write64(Number(ROOT), CONTEXT | 1n);
  memory.write64(Number(CONTEXT) + RID * 16, tableAt(4) | 1n);
  memory.write64(Number(CONTEXT) + RID * 16 + 8, 0x102n);
  for (let level = 4; level > 1; level--) memory.write64(Number(tableAt(level)), tableAt(level - 1) | BOTH);
  memory.write64(Number(tableAt(1)), DATA | BOTH);
  unit.write(REG.RTADDR, 8, ROOT);
  unit.write(REG.GCMD, 4, SRTP | TE);
  const tlp = dma.function.take().memoryWrite(RID, 0, 0, 64);
  tlp.data!.fill(0xaa, 0, 64);
  dma.function.send(tlp);
  while (iommu.state.misses === 0) expect(engine.step()).toBe(true);
  unit.write(REG.IOTLB, 8, IVT | GLOBAL | bits);
  const isBusy = () => (unit.read(REG.IOTLB, 8) & IVT) !== 0n;
  const wasBusy = isBusy();
  while (isBusy()) expect(engine.step()).toBe(true);
  memory.write64(Number(tableAt(1)), 0n);
  engine.run();
  return { wasBusy, written: memory.read64(Number(DATA)), refused: rootComplex.state.refused };
}

describe('An invalidation through IOTLB_REG', () => {
  it('that drains writes is complete when the write under way has found its page.', () => {
    expect(race(DRAIN_WRITES)).toMatchObject({ wasBusy: true, written: 0xaaaa_aaaa_aaaa_aaaan, refused: 0 });
  });

  it('that does not drain is complete at once: the write meets the tables as they are then.', () => {
    expect(race(0n)).toMatchObject({ wasBusy: false, written: 0n, refused: 1 });
  });
});
