/** When a device may forget: what protection by page tables costs for each frame, and what is bought with the price. */
import {
  type DeviceBuffer,
  errnoName,
  type KernelDriver,
  ms,
  type Script,
  type Stage,
  scenario,
  us,
} from '../src/index.ts';

const PAGE = 0x1000;
const FRAMES = 3;
/** What stands in each page, and what the page is used for afterwards. */
const FRAME = new TextEncoder().encode('a frame.');
const SECRET = new TextEncoder().encode('a secret');

export default scenario({
  name: '41-strict-and-lazy',
  title: 'What protection costs for each frame',
  question:
    'The same frames are sent by the same driver under three kernels. What does each pay, and what does it get?',
  look: [
    'Strict: each unmap is an invalidation and a wait for it. The address of the first frame is that of all others: it is free again at once.',
    'Lazy: unmaps only clear entries. Each frame has an address of its own, as those before it wait for the flush, and one invalidation of the whole domain comes 10 ms after the first unmap.',
    'No translation: nothing is mapped, and the address that the device is given is that of the memory.',
    'After the last frame the device reads its page once more. Only one of the three kernels is safe then.',
  ],
  next: [
    'Make FRAMES 300. When does the lazy kernel flush now, and for how many unmaps at once?',
    'Linux on x86 is lazy unless it is told otherwise (iommu.strict=1). Whom does it trust with that? Which devices does it never trust so far?',
    'Run it with --set kernel.costs.iovaSearch=5000, as long as a kernel without a cache of freed addresses once took. Which of the two kernels suffers more?',
  ],
  machine: 'intel-scalable',
  kernel: { dmaPolicy: 'strict' },
  hardware: { devices: [{ name: 'dma0', model: 'dma-engine', at: '00:01.0' }] },
  needs: ['pass-through'],
  measures: true,

  *run(s) {
    s.note('First act: a strict kernel.');
    const strict = yield* act(s);
    s.expect('Every unmap was an invalidation.', strict.invalidations, [FRAMES, 0]);
    s.expect('dma0 is refused what is not lent any more.', strict.seen, ['refused', 'refused']);

    s.note('Second act: a lazy kernel.');
    yield* s.reboot({ dmaPolicy: 'lazy' });
    const lazy = yield* act(s);
    s.expect('No unmap has waited for the IOMMU. One invalidation came later, for all.', lazy.invalidations, [0, 1]);
    s.expect('Until then dma0 had the secret.', lazy.seen, ['a secret', 'refused']);

    s.note('Third act: a kernel that has the IOMMU leave addresses as they are.');
    yield* s.reboot({ defaultDomain: 'identity' });
    const open = yield* act(s);
    s.expect('There is nothing to invalidate.', open.invalidations, [0, 0]);
    s.expect('dma0 reads whatever it likes, whenever it likes.', open.seen, ['a secret', 'a secret']);

    s.note(
      `Software for each frame: strict ${strict.price} ns, lazy ${lazy.price} ns, no translation ${open.price} ns.`,
    );
    s.check('The lazy kernel pays less than the strict one.', lazy.price < strict.price);
    s.expect('Without translation nothing is paid.', open.price, 0);
  },
});

interface Act {
  /** Nanoseconds of mapping and unmapping, for each frame. */
  readonly price: number;
  /** Those of the IOMMU while the frames were sent, and from then on. */
  readonly invalidations: readonly [number, number];
  /** What dma0 reads from the last page: as soon as it was unmapped, and 11 ms later. */
  readonly seen: readonly string[];
}

function* act(s: Stage): Script<Act> {
  s.step('The driver takes dma0, and some memory that both use for long: from now on there is a domain for dma0.');
  const driver = s.driver('dma0');
  yield* driver.setBusMaster(true);
  const dma0 = s.dmaEngineOf(driver);
  const pages = s.buffer(driver, FRAMES);
  s.check('They have it.', typeof (yield* driver.dma.allocCoherent(PAGE)) !== 'number');

  s.step(`It sends ${FRAMES} frames, one after the other: it maps one, dma0 reads it, the driver unmaps it.`);
  const count = s.invalidations;
  let [price, last] = [0, 0n];
  for (let i = 0; i < FRAMES; i++) {
    driver.memory.write(pages, i * PAGE, FRAME);
    const start = s.now;
    last = yield* lend(driver, pages, i);
    const mapped = s.now;
    s.expect(`Frame ${i + 1} is sent.`, yield* dma0.read(last, FRAME.length), { ok: true, data: FRAME });
    const sent = s.now;
    yield* driver.dma.unmap(last);
    price += mapped - start + (s.now - sent);
  }
  const during = s.invalidations - count;

  s.step('The last page is used for a secret. dma0 reads there again: at once, and after 11 ms.');
  driver.memory.write(pages, (FRAMES - 1) * PAGE, SECRET);
  const seen: string[] = [];
  for (const wait of [us(0), ms(11)]) {
    yield wait;
    const read = yield* dma0.read(last, SECRET.length);
    seen.push(read.ok ? new TextDecoder().decode(read.data) : 'refused');
  }
  yield us(20);
  const invalidations = [during, s.invalidations - count - during] as const;
  s.expect('Everything is given back.', yield* driver.release(), 0);
  return { price: Math.round(price / 1000 / FRAMES), invalidations, seen };
}

/** Lends dma0 a page to read: its address. */
function* lend(driver: KernelDriver, pages: DeviceBuffer, page: number): Script<bigint> {
  const iova = yield* driver.dma.map(pages, 'to device', { offset: page * PAGE, length: PAGE });
  if (typeof iova === 'number') throw new Error(`the page is not lent: ${errnoName(iova)}`);
  return iova;
}
