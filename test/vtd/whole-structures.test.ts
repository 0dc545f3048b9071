/** What an invalidation of one page leaves of the paging-structure cache, with and without IH, on units of either kind. */
import { describe, expect, it } from 'vitest';
import { encode, joinHalves } from '../../hardware/bits/index.ts';
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import { TimedIommu } from '../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Access, TranslationRequest } from '../../hardware/pcie/index.ts';
import { Engine, ns } from '../../hardware/sim/index.ts';
import { AddressWidth, IOTLB_REG, IotlbGranularity, IVA } from '../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../../src/machine/capabilities.ts';
import { WrittenTables } from '../../src/machine/measured/tables.ts';
import { legacyRoot, startUnit, unitOf } from '../../src/machine/measured/units.ts';

const REQUESTER = 0x0300;
/** Pages of two leaf tables in the same 1 GiB. */
const [HERE, THERE] = [0x200, 0x400];

/** Reads of memory for one page of each table, after an invalidation of HERE. */
function readsAfter(forgetsWholeStructures: boolean, leavesOnly: boolean): number[] {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, 2 ** 25]]);
  const controller = new MemoryController(engine, memory);
  const tables = new WrittenTables(memory, 0x10_0000);
  const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48 });
  const format = vtdSecondStage({ levels: 4, superpages: [] });
  for (const page of [HERE, THERE]) tables.map(format, root.top, page * 4096, 0x100_0000, 4);
  const unit = startUnit(
    {
      ...unitOf(intelCapabilities['broadwell-ep']),
      iotlb: { sets: 1, ways: 8 },
      contextCache: { sets: 1, ways: 1 },
      secondStageCache: { sets: 1, ways: 8 },
      forgetsWholeStructures,
    },
    memory,
    root,
  );
  const agent = new TimedIommu(engine, unit, controller);
  agent.answers = () => {};
  const read = (page: number): number => {
    const before = controller.state.accesses;
    const request = Object.assign(new TranslationRequest(), { requester: REQUESTER, access: Access.READ, length: 1 });
    agent.accept(Object.assign(request, { addressLo: page * 4096 }), ns(0));
    engine.run();
    return controller.state.accesses - before;
  };
  const write = (offset: number, words: Uint32Array): void =>
    unit.write(unit.capabilities.iotlbRegisterOffset + offset, 8, joinHalves(words[1]!, words[0]!));
  for (const page of [HERE, THERE]) read(page);
  write(0, encode(IVA, { ADDR: HERE, AM: 0, IH: leavesOnly ? 1 : 0 }));
  write(8, encode(IOTLB_REG, { IVT: 1, IIRG: IotlbGranularity.PAGE, DID: 1 }));
  // Other pages, so that the IOTLB answers neither; the one that is as it was comes first.
  return [THERE + 1, HERE + 1].map(read);
}

describe('An invalidation of one page', () => {
  it('for leaves alone keeps the way to every leaf table.', () => {
    for (const whole of [false, true]) expect(readsAfter(whole, true)).toEqual([1, 1]);
  });

  it('otherwise forgets the way to its own leaf table, which begins at the top.', () => {
    expect(readsAfter(false, false)).toEqual([1, 4]);
  });

  it('forgets the way to all of them where the unit does more than is asked for.', () => {
    // The second begins at the table of 1 GiB that the first has found.
    expect(readsAfter(true, false)).toEqual([4, 2]);
  });
});
