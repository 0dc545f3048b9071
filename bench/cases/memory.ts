/** What is held: pages that were written, pages that tables map, and events that wait. */
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { type Duration, Engine, type Handler } from '../../hardware/sim/index.ts';
import type { BenchCase } from '../case.ts';
import { PAGE, Tables } from './tables.ts';

/** Three quarters of a power of two: what grows by doubling is then neither just full nor half empty. */
const PAGES = 3 * 2 ** 12;
const MAPPED = 3 * 2 ** 13;
const EVENTS = 3 * 2 ** 15;
/** Picoseconds within which events wait, and a step that meets them all. */
const SPAN = 2 ** 20;
const STEP = 0x9e37_79b1;

const format = vtdSecondStage({ levels: 4, superpages: [] });

function writtenPages(): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (let page = 0; page < PAGES; page++) memory.write64(page * PAGE, 1n);
  return memory;
}

function mappedPages(): Tables {
  const tables = new Tables();
  tables.pages(format, MAPPED);
  return tables;
}

const nobody: Handler = { handle: () => {} };

function pendingEvents(): Engine {
  const engine = new Engine();
  for (let i = 0; i < EVENTS; i++) engine.schedule((Math.imul(i, STEP) & (SPAN - 1)) as Duration, nobody, i);
  return engine;
}

export const page: BenchCase = {
  name: 'page',
  operation: 'page of simulated memory, written for the first time',
  operations: PAGES,
  make: () => () => writtenPages().touchedBytes,
  hold: writtenPages,
};

export const mapping: BenchCase = {
  name: 'mapping',
  operation: 'page of 4 KiB entered into tables of 4 levels',
  operations: MAPPED,
  make: () => () => mappedPages().end,
  hold: mappedPages,
};

export const pending: BenchCase = {
  name: 'pending',
  operation: 'event scheduled, and left pending with all others',
  operations: EVENTS,
  make: () => () => pendingEvents().pending,
  hold: pendingEvents,
};
