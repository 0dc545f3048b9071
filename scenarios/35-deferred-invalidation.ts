/** To put an invalidation off is to leave a door open: for how long, who can use it, and what it costs to shut it. */
import { type KernelDriver, type Program, type Script, type Stage, scenario, type Unmapped, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const READ_ONLY = { read: true, write: false };
const PUBLIC = new TextEncoder().encode('a frame to be sent');
const SECRET = new TextEncoder().encode('the key of a vault');
/** The kernel gives the pages that were free first. */
const WANTED = 8;
/** Pages of the comparison. */
const MANY = 16;

export default scenario({
  name: '35-deferred-invalidation',
  title: 'The window of a lazy kernel',
  question:
    'An unmap is quicker when the IOMMU is told later, for many pages at once. What can a device do until then?',
  look: [
    'In the first act the entry is gone from the table at once; only the IOTLB still knows the page. The read after the unmap is an IOTLB hit.',
    'The kernel has done nothing wrong by its own rules: the address is not used again before the flush. But the page is.',
    'The window closes with the flush, not with the unmap. In the second act they are one.',
  ],
  next: [
    'Compare with 02-stale-iotlb: there the invalidation never comes. Which of the two would a test find?',
    'Linux flushes after 10 ms, or when so many unmaps wait (iommu.strict=0, its lazy mode). How many pages could a device read in 10 ms?',
    'Make the buffer a page that is never given back to anybody else. Is lazy mode safe then?',
  ],

  *run(s) {
    const driver = s.driver('dma0');
    yield* driver.setBusMaster(true);
    const domain = yield* s.domain(driver);
    yield* driver.attach(domain);
    const dma0 = s.dmaEngineOf(driver);

    s.note('First act: a driver that puts invalidations off.');
    s.step('It lends dma0 a page with a frame, and dma0 reads it to send it.');
    const lent = s.buffer(driver, 1);
    driver.memory.write(lent, 0, PUBLIC);
    s.expect('The page is mapped.', yield* driver.map(domain, PAGE, lent, READ_ONLY), 0);
    s.expect('dma0 has the frame.', yield* dma0.read(IOVA, PUBLIC.length), { ok: true, data: PUBLIC });

    s.step('The frame is sent. The driver unmaps the page, does not wait for the IOMMU, and gives the page back.');
    const waiting = [yield* driver.unmapLater(domain, PAGE, 1)];
    driver.memory.free(lent);
    yield* hide(s.process('victim'));

    s.step('A process has got it among others, and keeps a secret in each. dma0 reads at the old address once more.');
    s.expect('It has the secret.', yield* dma0.read(IOVA, SECRET.length), { ok: true, data: SECRET });
    s.expect('Nobody has noticed: no fault.', s.faults(), []);

    s.step('The driver catches up: one flush for all that waits.');
    s.expect('It is done.', yield* driver.flush(domain, waiting), 0);
    s.expect('From now on dma0 is refused.', (yield* dma0.read(IOVA, SECRET.length)).ok, false);
    yield us(20);
    s.expect('And that is on record.', s.faults().length, 1);

    s.note('Second act: the same with a driver that waits for the IOMMU.');
    s.step('It lends a page, dma0 reads it, the driver unmaps it, and only then gives it back.');
    const other = s.buffer(driver, 1);
    driver.memory.write(other, 0, PUBLIC);
    s.expect('The page is mapped.', yield* driver.map(domain, PAGE, other, READ_ONLY), 0);
    s.expect('dma0 has the frame.', yield* dma0.read(IOVA, PUBLIC.length), { ok: true, data: PUBLIC });
    s.expect('It is unmapped.', yield* driver.unmap(domain, PAGE, 1), 0);
    driver.memory.free(other);
    yield* hide(s.process('second victim'));
    s.expect('dma0 is refused.', (yield* dma0.read(IOVA, SECRET.length)).ok, false);
    yield us(20);
    s.expect('The attempt is on record.', s.faults().length, 1);

    s.note('Why anybody would do the first: the price.');
    s.step(
      `The driver unmaps ${MANY} pages, one after the other, and waits each time. Then it does so again, and waits once.`,
    );
    const strict = yield* timed(s, driver, function* (mapped) {
      for (let i = 0; i < MANY; i++) yield* driver.unmap(mapped, PAGE + i, 1);
    });
    const lazy = yield* timed(s, driver, function* (mapped) {
      const pending: Unmapped[] = [];
      for (let i = 0; i < MANY; i++) pending.push(yield* driver.unmapLater(mapped, PAGE + i, 1));
      yield* driver.flush(mapped, pending);
    });
    s.note(`A page costs ${strict} ns with an invalidation for each, ${lazy} ns with one for all.`);
    s.check('The lazy driver is the faster one.', lazy < strict);
    s.expect('Everything is given back.', yield* driver.release(), 0);

    /** Nanoseconds per page. */
    function* timed(stage: Stage, of: KernelDriver, unmapAll: (mapped: typeof domain) => Script): Script<number> {
      const buffer = stage.buffer(of, MANY);
      stage.expect(`${MANY} pages are mapped.`, yield* of.map(domain, PAGE, buffer, READ_ONLY), 0);
      const before = stage.now;
      yield* unmapAll(domain);
      return Math.round((stage.now - before) / 1000 / MANY);
    }
  },
});

/** A process wants memory, and gets what is free. */
function* hide(victim: Program): Script {
  const vaddr = yield* victim.mmap(WANTED * 4096, { populate: true });
  for (let i = 0; i < WANTED; i++) victim.write(vaddr + BigInt(i * 4096), SECRET);
}
