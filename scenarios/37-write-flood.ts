/** A device that writes as fast as it can, to nothing: what it takes from others, and what it does to those who keep records. */
import { type Instant, type MaliciousDriver, type Script, type Stage, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const NOWHERE = 0x4000_0000n;
const TEXT = new TextEncoder().encode('dma0 has work to do');
/** How many bytes dma0 reads at a time. */
const LENGTH = 64;
/** Functions that evil0 pretends to have: its port lets every id of its own bus pass. */
const NAMES = 10;
const EACH = 64;
/** Microseconds until the kernel comes to an interrupt: it is busy, longer than the flood lasts on the slowest machine. */
const BUSY = 800;

export default scenario({
  name: '37-write-flood',
  title: 'The flood',
  question: 'A device sends writes that are all blocked, as fast as its link carries them. Who suffers?',
  look: [
    'Writes are posted: evil0 waits for no answer. What holds it up is that its port gives it no more credits than it has room (flow control).',
    'dma0 is behind another port, with credits of its own. It shares the IOMMU with evil0: compare the times of its reads.',
    'Records are bounded. Intel: a few fault records, one per sender at a time, then Primary Fault Overflow. AMD: an event log of 512 entries, then EventOverflow.',
    'What is lost are records, not protection: not one of the writes reaches memory.',
  ],
  next: [
    'Run it with --set kernel.costs.interruptEntry=500: a kernel that comes at once. Which expectations fail now, on intel-legacy and on amd-full, and why is that good news?',
    'Run it with --set iommu.walkers=1. On Intel the flood takes three times as long, and dma0 reads as before: who makes evil0 wait? Why does it change nothing on amd-full?',
    'What would you have to change so that the kernel stops evil0, and not only its writes?',
  ],
  measures: true,
  kernel: { costs: { interruptEntry: BUSY * 1000 } },
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0' },
      { name: 'port1', at: '00:1d.0' },
    ],
    devices: [
      { name: 'evil0', model: 'malicious', at: 'port0:00.0' },
      { name: 'dma0', model: 'dma-engine', at: 'port1:00.0' },
    ],
  },

  *run(s) {
    s.step('A driver lends dma0 a page, and dma0 reads a line of it. Nobody has evil0: it is attached to nothing.');
    const driver = s.driver('dma0');
    yield* driver.setBusMaster(true);
    const domain = yield* s.domain(driver);
    const page = s.buffer(driver, 1);
    driver.memory.write(page, 0, TEXT);
    yield* driver.map(domain, PAGE, page, { read: true, write: false });
    s.expect('It is attached.', yield* driver.attach(domain), 0);
    const dma0 = s.dmaEngineOf(driver);
    /** Nanoseconds that a read takes; -1 when what comes is not what is there. */
    function* read(): Script<number> {
      const before = s.now;
      const result = yield* dma0.read(IOVA, LENGTH);
      const isRight = result.ok && TEXT.every((byte, i) => byte === result.data[i]);
      return isRight ? nanoseconds(before, s.now) : -1;
    }
    s.check('It has read what is there.', (yield* read()) > 0);
    const alone = yield* read();
    s.note(`Alone, a read takes ${alone} ns, as its driver sees it.`);

    s.step(
      `evil0 writes ${EACH} times under each of ${NAMES} names. The kernel is busy and hears of nothing for a while.`,
    );
    const evil = s.maliciousOf(s.driver('evil0'));
    const flood = s.machine.engine.spawn(floodFrom(s, evil), 'flood');
    const times: number[] = [];
    while (!flood.ended) times.push(yield* read());
    s.expect(`It has sent ${NAMES * EACH} writes.`, yield* s.join(flood), NAMES * EACH);
    s.note(`Meanwhile dma0 has read ${times.length} times, in ${Math.min(...times)} to ${Math.max(...times)} ns.`);
    s.check('Each time it got what is there.', !times.includes(-1));
    s.check('No read took much longer than it takes alone.', Math.max(...times) < 1.5 * alone);

    s.step('The kernel comes to it, and reads the records.');
    yield us(3 * BUSY);
    const { faults } = s.machine.kernel;
    s.note(`It finds ${faults.length} of ${NAMES * EACH} on record.`);
    s.check('It has some.', faults.length > 0);
    s.check('The others found no room.', faults.length < NAMES * EACH);
    s.check('The kernel has been told that records are lost.', /were lost/.test(s.machine.kernel.log.toString()));
    s.expect('dma0 finds its page as it was.', driver.memory.read(page, 0, TEXT.length), TEXT);
    s.faults();

    s.step('After that, evil0 writes once more, under its own name.');
    yield* evil.send({ kind: 'MEMORY_WRITE', address: NOWHERE, length: 4 });
    yield us(3 * BUSY);
    const records = s.faults().map(({ device, access, address }) => ({ device, access, address }));
    s.expect('There is room again: it is on record.', records, [
      { device: 'evil0', access: 'write', address: NOWHERE },
    ]);
    s.expect('dma0 reads as fast as before.', yield* read(), alone);
  },
});

/** How many writes evil0 says to have sent. */
function* floodFrom(s: Stage, evil: MaliciousDriver): Script<number> {
  const own = s.machine.requesters.get('evil0')!;
  let sent = 0;
  for (let name = 0; name < NAMES; name++) {
    const attack = { address: NOWHERE, requester: own + name, length: 64, count: EACH, step: 64 };
    ({ sent } = yield* evil.send({ kind: 'MEMORY_WRITE', ...attack }));
  }
  return sent;
}

function nanoseconds(from: Instant, to: Instant): number {
  return Math.round((to - from) / 1000);
}
