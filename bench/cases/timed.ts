/** A timed unit alone: requests through the agent that stands around a unit in a machine, on the engine, with memory's time. */
import { Access, TimedIommu } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController } from '../../hardware/memory/index.ts';
import { TranslationRequest, TranslationStatus } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import type { BenchCase } from '../case.ts';
import { CYCLE_PAGES, cycle, IOVA, REQUESTER, Tables, UNIFORM_PAGES, uniform } from './tables.ts';
import { legacyUnit } from './translation.ts';

/** Requests per call of the timed function. */
const OPERATIONS = 20_000;
/** Requests under way at a time; whoever has been answered asks for the next page. */
const UNDER_WAY = 8;

function asking(pages: number, stream: Int32Array): () => number {
  const tables = new Tables();
  const engine = new Engine();
  const controller = new MemoryController(engine, tables.memory, MEMORY_CONTROLLER);
  const agent = new TimedIommu(engine, legacyUnit(pages, tables), controller);
  const requests = Array.from({ length: UNDER_WAY }, () => new TranslationRequest());
  const mask = stream.length - 1;
  let [asked, answered, sum] = [0, 0, 0];
  const ask = (request: TranslationRequest): void => {
    request.requester = REQUESTER;
    request.access = Access.READ;
    request.addressHi = Math.floor(IOVA / 2 ** 32);
    request.addressLo = stream[asked++ & mask]!;
    agent.requests.send(request);
  };
  agent.answers = (request) => {
    if (request.status !== TranslationStatus.SUCCESS)
      throw new Error(`a page at ${request.addressLo} did not translate`);
    sum = (sum + request.hpaLo) | 0;
    answered++;
    if (asked < OPERATIONS) ask(request);
  };
  return () => {
    [asked, answered] = [0, 0];
    requests.forEach(ask);
    engine.run();
    if (answered !== OPERATIONS) throw new Error(`${OPERATIONS - answered} requests were not answered`);
    return sum;
  };
}

export const timedHit: BenchCase = {
  name: 'timed-hit',
  operation: 'timed request that hits the IOTLB',
  goalNsPerOp: 400,
  operations: OPERATIONS,
  make: () => asking(UNIFORM_PAGES, uniform()),
};

export const timedMiss4: BenchCase = {
  name: 'timed-miss4',
  operation: 'timed request that misses and walks 4 levels',
  goalNsPerOp: 1000,
  operations: OPERATIONS,
  make: () => asking(CYCLE_PAGES, cycle()),
};
