/**
 * Devices that take page faults, one after the other, through the page requests of a unit of either vendor. What software makes of a
 * fault, from its interrupt to its answer, is a time that the source of each has measured as a whole.
 *
 * Inaccuracies: the handler waits for its answer to be sent on AMD, too, where Linux does not; the device waits for neither.
 */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { NO_PASID } from '../../../hardware/iommu/index.ts';
import { ns, type Script, Signal } from '../../../hardware/sim/index.ts';
import { DEFAULT_COSTS } from '../../kernel/index.ts';
import { parameter } from './parameter.ts';
import { QueueOwner } from './queue-owner.ts';
import { REQUESTER } from './unit-queue.ts';

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

/** The machines under all of them: of each vendor the one with page requests. */
const MACHINES = { intel: 'dsa', amd: 'epyc' } as const;

/** Nanoseconds in which a device gets `pages` pages that are not there, with faults of up to `batch` pages each. */
export function timeOfFaults(
  service: FaultService,
  pages: number,
  batch: number,
  vendor: keyof typeof MACHINES = 'intel',
): number {
  const core = new QueueOwner(MACHINES[vendor]);
  const { engine, ring } = core;
  let answered = new Signal(engine);
  let asked = 0;
  core.onMessage = () => answered.fire();
  core.onInterrupt = () => {
    engine.spawn(serve(), 'the handler of page requests');
  };
  ring.takePageRequests();

  function* serve(): Script {
    yield ns(FAULT_SERVICES[service].value * 1000 + (asked - 1) * FURTHER_PAGE.value);
    yield* ring.readPageRequests();
    yield* core.submit([ring.answer()]);
  }

  function* device(): Script {
    for (let page = 0; page < pages; page += asked) {
      asked = Math.min(batch, pages - page);
      answered = new Signal(engine);
      const kind = { read: true, write: true, execute: false, privileged: false, last: true };
      ring.unit.requestPage({
        requester: REQUESTER,
        pasid: NO_PASID,
        hi: 0,
        lo: (page * PAGE_SIZE) | 0,
        ...kind,
        group: 0,
      });
      yield answered;
    }
  }

  engine.runUntilDone(engine.spawn(device(), 'a device'));
  return engine.now / 1000;
}
