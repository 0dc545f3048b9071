/**
 * Devices that take page faults, one after the other, through the page requests of a VT-d unit. What software makes of a
 * fault, from its interrupt to its answer, is a time that the source of each has measured as a whole.
 */
import { type AnyLayout, encode, joinHalves, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { NO_PASID } from '../../../hardware/iommu/index.ts';
import { ns, type Script, Signal } from '../../../hardware/sim/index.ts';
import { PECTL, PQA, PQH, PQT, PRS, ResponseCode } from '../../../hardware/vtd/spec/index.ts';
import { DEFAULT_COSTS } from '../../kernel/index.ts';
import { INVALIDATING_MACHINES } from './invalidating-machines.ts';
import { parameter } from './parameter.ts';
import { QueueOwner, REQUESTER } from './queue-owner.ts';

const { allocate, clearPage, pinPage, writeEntry } = DEFAULT_COSTS;

/** Of one page. */
export const FAULT_SERVICES = {
  connectx: parameter(220, 'us', 'a minor fault of a NIC', 'published', 'Lesokhin et al. (ASPLOS 2017)'),
  guest: parameter(
    700,
    'us',
    "a fault of a guest's NIC",
    'published',
    'Wang et al., "To PRI or not to PRI" (OSDI 2025)',
  ),
  gpu: parameter(140, 'us', 'a fault of an integrated GPU: 5 to 140', 'published', 'Vesely et al. (ISPASS 2016)'),
} as const;

export type FaultService = keyof typeof FAULT_SERVICES;

/** Each further page of the same fault: allocated, cleared, pinned and entered in a table. */
export const FURTHER_PAGE = parameter(
  allocate + clearPage + pinPage + writeEntry,
  'ns',
  'a further page of a fault',
  'assumed',
  'src/kernel/costs.ts',
);

/** The machine under all of them: the only one with page requests. */
const MACHINE = 'dsa';
const QUEUE = 0x6000;

/** Nanoseconds in which a device gets `pages` pages that are not there, with faults of up to `batch` pages each. */
export function timeOfFaults(service: FaultService, pages: number, batch: number): number {
  const core = new QueueOwner(MACHINE);
  const { engine, unit } = core;
  const register = ns(INVALIDATING_MACHINES[MACHINE].register.value);
  let answered = new Signal(engine);
  let asked = 0;
  core.onResponse = () => answered.fire();
  core.onInterrupt = () => {
    engine.spawn(serve(), 'the handler of page requests');
  };
  const write = (at: AnyLayout, words: Uint32Array): void =>
    unit.write(at.$.offset!, words.length * 4, joinHalves(words[1] ?? 0, words[0]!));
  write(PQA, encode(PQA, { PQA: QUEUE / PAGE_SIZE }));
  write(PECTL, encode(PECTL, { IM: 0 }));

  function* serve(): Script {
    yield ns(FAULT_SERVICES[service].value * 1000 + (asked - 1) * FURTHER_PAGE.value);
    write(PRS, encode(PRS, { PPR: 1 }));
    const tail = unit.read(PQT.$.offset!, 8);
    yield register;
    unit.write(PQH.$.offset!, 8, tail);
    const answer = { rid: REQUESTER, pasid: NO_PASID, group: 0, code: ResponseCode.SUCCESS };
    yield* core.submit([{ cache: 'page response', ...answer }]);
  }

  function* device(): Script {
    for (let page = 0; page < pages; page += asked) {
      asked = Math.min(batch, pages - page);
      answered = new Signal(engine);
      const kind = { read: true, write: true, execute: false, privileged: false, last: true };
      unit.requestPage({ requester: REQUESTER, pasid: NO_PASID, hi: 0, lo: (page * PAGE_SIZE) | 0, ...kind, group: 0 });
      yield answered;
    }
  }

  engine.runUntilDone(engine.spawn(device(), 'a device'));
  return engine.now / 1000;
}
