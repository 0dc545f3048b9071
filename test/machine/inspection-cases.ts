/** Asking a machine while a scenario runs on it: nothing changes, and what is foreseen comes. */
import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import type { Machine } from '../../src/machine/index.ts';
import { formatJson } from '../../src/recorder/index.ts';
import { missingFor, Run, type Scenario } from '../../src/scenario/index.ts';

/** Asks about everything that can be asked, of devices and addresses that exist and that do not. */
function askEverything(machine: Machine): void {
  const iommu = machine.inspect();
  for (const requester of [0x08, 0x10, 0x18, 0x4000]) {
    for (const address of [0n, 0x10_0000n, 0x20_1000n, 0xfee0_0000n, 1n << 60n]) {
      for (const write of [false, true]) {
        for (const pasid of [-1, 0, 5]) {
          iommu.explain({ requester, pasid, address, write });
          iommu.explain({ requester, pasid, address, write, also: ['translated'] });
        }
      }
    }
    for (const address of [0xfee0_0000n, 0xfee0_0010n, 0xfee0_0078n]) {
      for (const data of [0, 5, 0xffff_ffff]) iommu.explainInterrupt({ requester, address, data });
    }
    iommu.tables(requester);
    iommu.tables(requester, 5);
  }
  iommu.tables();
  iommu.interrupts();
  iommu.queue();
  iommu.logs();
  iommu.registers();
  iommu.caches();
  machine.snapshot();
}

function eventsOf(scenario: Scenario, machine: string, ask: (machine: Machine) => void): string[] {
  const run = new Run(scenario, { machine });
  const events: string[] = [];
  run.recorder.on('event', (event) => events.push(formatJson(event)));
  while (typeof run.advanceToRequest(1) !== 'number') ask(run.machine);
  return [...events, run.machine.digest()];
}

/** Before how many requests everything is asked; then before each that is a power of two, because stories repeat themselves. */
const FIRST_ALL = 2;

/** A run that is asked about everything before these DMA requests: its events, and the digests before and after. */
function askedRun(scenario: Scenario, machine: string): { events: string[]; before: string[]; after: string[] } {
  const [before, after]: [string[], string[]] = [[], []];
  let requests = 0;
  const events = eventsOf(scenario, machine, (asked) => {
    requests++;
    if (requests > FIRST_ALL && (requests & (requests - 1)) !== 0) return;
    before.push(asked.digest());
    askEverything(asked);
    after.push(asked.digest());
  });
  return { events, before, after };
}

// Devices with hundreds of requests, many of them under way at once: to ask everything before each takes minutes, and what
// becomes of one hangs on the others.
const CROWDED = ['10-nvme-reads-a-file', '13-nic-at-line-rate', '37-write-flood', '38-deferred-dma'];

/** Asks in every scenario that is not crowded and runs on one of these machines. */
export function inspectScenariosOn(machines: readonly string[]): void {
  const cases = scenarios
    .filter(({ name }) => !CROWDED.includes(name))
    .flatMap((scenario) => machines.map((machine) => ({ name: scenario.name, machine, scenario })))
    .filter(({ machine, scenario }) => missingFor(scenario, { machine }).length === 0);

  describe.each(cases)('asking in scenario $name on $machine', ({ scenario, machine: preset }) => {
    let run: ReturnType<typeof askedRun> | undefined;
    const asked = () => {
      run ??= askedRun(scenario, preset);
      return run;
    };

    it('changes no state: the digest before a DMA is the digest after every question', () => {
      const { before, after } = asked();
      expect(after).toEqual(before);
      expect(before.length).toBeGreaterThanOrEqual(1);
    });

    it('leaves the rest of the run as it would have been, event by event', () => {
      expect(asked().events).toEqual(eventsOf(scenario, preset, () => {}));
    });

    it('foresees what becomes of each DMA', () => {
      const run = new Run(scenario, { machine: preset });
      const foreseen: string[] = [];
      const happened: string[] = [];
      let found: bigint | null = null;
      run.recorder.on('hit', ({ address, to }) => {
        happened.push(`0x${to.toString(16)}`);
        found = address;
      });
      run.recorder.on('translated', ({ to }) => happened.push(`0x${to.toString(16)}`));
      run.recorder.on('fault', ({ name, address, write }) => {
        // An interrupt is no DMA, and is asked about in another way.
        if (write && address >> 20n === 0xfeen) return;
        // What is cached may not allow the access.
        if (found === address) happened.pop();
        happened.push(name);
      });
      for (;;) {
        const request = run.advanceToRequest(1);
        found = null;
        if (typeof request === 'number') break;
        const { result } = run.machine.inspect().explain(request);
        // An address that is translated already passes without a word, and so does every one while no unit is in service.
        const isServed = run.machine.kernel.iommu.groups.length > 0;
        if (result.ok && (request.also?.includes('translated') === true || !isServed)) continue;
        foreseen.push(result.ok ? `0x${result.address.toString(16)}` : result.fault!.name);
      }
      expect(foreseen).toEqual(happened);
    });
  });
}
