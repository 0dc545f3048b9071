/** Draining in simulated time: what an invalidation through registers (VT-d 6.5.4, 11.4.6.3) and a switch of remapping (11.4.4.1) wait for. */
import { describe, expect, it } from 'vitest';
import { TimedIommu } from '../../hardware/iommu/index.ts';
import { Board, RID } from '../pcie/board.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { BOTH, CONTEXT, DATA, REG, ROOT, SRTP, TE, tableAt } from './tables.ts';

const IVT = 1n << 63n;
const GLOBAL = 1n << 60n;
const DRAIN_WRITES = 1n << 48n;

/** A device's write is on its walk through the tables, and can be seen there. */
function walking(cap: Parameters<typeof capabilities>[0] = {}) {
  const { dma, engine, memory, controller, rootComplex } = new Board().bringUp();
  const unit = bareUnit({ capabilities: capabilities(cap) }, { memory });
  rootComplex.attach(new TimedIommu(engine, unit, controller));
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
  // The first read of the walk.
  while (controller.state.accesses === 0) expect(engine.step()).toBe(true);
  return { unit, engine, memory, rootComplex };
}

/** While it is, software invalidates; then the tables change. */
function race(bits: bigint) {
  const { unit, engine, memory, rootComplex } = walking();
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

describe('Remapping that is switched off while a write is on its walk', () => {
  const TES = 1n << 31n;

  it('is off for what comes from now on; TES says so when the write has found its page.', () => {
    proves('GSTS_REG.TES');
    const { unit, engine, memory, rootComplex } = walking();
    unit.write(REG.GCMD, 4, 0n);
    const isOn = () => (unit.read(REG.GSTS, 4) & TES) !== 0n;
    expect(isOn()).toBe(true);
    while (isOn()) expect(engine.step()).toBe(true);
    memory.write64(Number(tableAt(1)), 0n);
    engine.run();
    expect([memory.read64(Number(DATA)), rootComplex.state.refused]).toEqual([0xaaaa_aaaa_aaaa_aaaan, 0]);
  });

  it('and on again before that is on when all is answered, and waits once.', () => {
    const { unit, engine } = walking();
    for (let i = 0; i < 100; i++) unit.write(REG.GCMD, 4, i % 2 === 0 ? 0n : TE);
    expect(engine.pending).toBeLessThan(10);
    engine.run();
    expect(unit.read(REG.GSTS, 4) & TES).toBe(TES);
    unit.write(REG.GCMD, 4, 0n);
    engine.run();
    expect(unit.read(REG.GSTS, 4) & TES).toBe(0n);
  });

  it('by a unit that cannot drain tells of it at once.', () => {
    const { unit } = walking({ drain: false });
    unit.write(REG.GCMD, 4, 0n);
    expect(unit.read(REG.GSTS, 4) & TES).toBe(0n);
  });
});
