import { MMU_ENGINE, MmuEngine } from '../../../hardware/devices/mmu-engine/index.ts';
import { between, powerOfTwo, whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const MMU_ENGINE_MODEL = model(
  'mmu-engine',
  {
    payloadSupported: payloadSupported().default(MMU_ENGINE.payloadSupported),
    /** Reads that it may have outstanding. */
    tags: whole(1, 256).default(MMU_ENGINE.tags),
    /** Pages of memory for the tables of its MMU. */
    tablePages: powerOfTwo(4096).default(MMU_ENGINE.tablePages),
    /** Translations that its MMU keeps. */
    tlbEntries: whole(1, 65_536).default(MMU_ENGINE.tlbEntries),
    /** Nanoseconds in which the MMU reads an entry of a table. */
    tableRead: between(0, 1_000_000, 'nanoseconds').default(MMU_ENGINE.tableRead),
  },
  (engine, spec) => new MmuEngine(engine, spec),
);
