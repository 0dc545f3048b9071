/** The queue of page requests is full: who loses, what everybody is told, and how it goes on. */
import { type PageRequestGroup, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const OTHER_PAGE = 0x200;
const OTHER_IOVA = 0x20_0000n;
const READ_WRITE = { read: true, write: true };
/** A Page Request message: the page, a group of its own for each, the last of its group, to be read. */
const PAGE_REQUEST = 0x04;
const TO_ROOT = 0;
const FIRST = { address: 0x4000_0005n, step: 0x1008 };
const FLOOD = 400;
/** A flood needs credits without end. */
const FAST = { generation: 3, width: 8, latency: 150, credits: {} } as const;

export default scenario({
  name: '07-page-request-overflow',
  title: 'More page requests than the queue can hold',
  question:
    'A device that asks for a page is told “success”, looks for the page, and there is none. Who has lied, and why?',
  look: [
    'evil0 may have 4 requests outstanding and sends 400. Nothing on the way stops it: the credits for page requests are the device’s to keep.',
    'When the queue is full the IOMMU says so in a register (PRS.PRO, or PprOverflow of Status), queues nothing more from anybody, and answers by itself: success, which means no more than “ask again”.',
    'dma0 asks again, four times, and gives up. Its driver cannot see why; the log of the kernel says it.',
    'The kernel answers one request after the other, and then clears the overflow: from here on requests are queued again.',
  ],
  next: [
    'npx ioasim run 07-page-request-overflow --set kernel.pageRequestPlaces=1024. Is dma0 served now, and how long does it wait?',
    'What would dma0 do if the IOMMU answered “invalid request” instead? Look at 05-page-requests.',
    'How many requests may a device have outstanding under Linux, and how many places has the queue? Look for PRQ_DEPTH in its VT-d driver.',
  ],
  machine: 'intel-scalable',
  kernel: { pageRequestPlaces: 256 },
  needs: ['ats', 'page requests'],
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0', link: FAST },
      { name: 'port1', at: '00:1d.0', link: FAST },
    ],
    switches: [],
    bridges: [],
    devices: [
      {
        name: 'dma0',
        model: 'dma-engine',
        at: 'port0:00.0',
        deviceTlb: { sets: 16, ways: 4 },
        pageRequests: 32,
      },
      { name: 'evil0', model: 'malicious', at: 'port1:00.0' },
    ],
  },

  *run(s) {
    const { engine: clock, kernel } = s.machine;
    s.step('Two drivers let a device each keep translations and ask for pages: dma0 32 at a time, evil0 4.');
    const driver = s.driver('dma0');
    const other = s.driver('evil0');
    const engine = s.dmaEngineOf(driver);
    const evil = s.maliciousOf(other);
    s.expect('dma0 may ask.', yield* driver.permit({ ats: true, pageRequests: 32 }), 0);
    s.expect('evil0 may ask.', yield* other.permit({ ats: true, pageRequests: 4 }), 0);
    yield* driver.setBusMaster(true);
    yield* other.setBusMaster(true);
    const domain = yield* s.domain(driver);
    const nothing = yield* s.domain(other);
    const buffer = s.buffer(driver, 1);
    const asked: number[] = [];
    function* serve(group: PageRequestGroup) {
      const { page } = group.requests[0]!;
      asked.push(page);
      yield* driver.map(domain, page, buffer, READ_WRITE);
      yield* group.respond('success');
    }
    const onPageRequest = (group: PageRequestGroup) => void clock.spawn(serve(group), 'page fault');
    s.expect(
      'dma0 is attached, and every page that it asks for is served.',
      yield* driver.attach(domain, { onPageRequest }),
      0,
    );
    s.expect('evil0 is attached. Nobody serves it.', yield* other.attach(nothing), 0);

    s.step('dma0 writes to a page that is not there, and gets it.');
    const message = new TextEncoder().encode('asked for and served');
    s.expect('The write succeeds.', (yield* engine.write(IOVA, message, { requestPages: true })).ok, true);
    s.expect('The kernel was asked once.', asked, [PAGE]);

    s.step(
      `evil0 asks for ${FLOOD} pages at once. The queue has 256 places. dma0 writes to another page in the midst of it.`,
    );
    const flood = { kind: 'MESSAGE', messageCode: PAGE_REQUEST, routing: TO_ROOT, ...FIRST, count: FLOOD } as const;
    const flooding = clock.spawn(evil.send(flood), 'a flood of page requests');
    yield us(40);
    const late = yield* engine.write(OTHER_IOVA, message, { requestPages: true });
    s.expect('dma0 gives up.', late, { ok: false, error: 'NO_TRANSLATION', faultAddress: OTHER_IOVA });
    s.expect('The kernel has not heard of it.', asked, [PAGE]);

    s.step('The kernel works through the queue. Whatever evil0 asks for it refuses, for nobody serves it.');
    yield* s.join(flooding);
    yield us(300);
    s.check('It has seen that requests were lost.', kernel.log.toString().includes('page requests were lost'));
    s.expect('Each request was answered, by the kernel or by the IOMMU.', (yield* evil.loot()).responses, FLOOD);
    s.expect('None of this is a fault.', s.faults(), []);

    s.step('The driver of dma0 tries again.');
    const again = yield* engine.write(OTHER_IOVA, message, { requestPages: true });
    s.expect('Now the write succeeds.', again.ok, true);
    s.expect('The kernel was asked.', asked, [PAGE, OTHER_PAGE]);
    s.expect('evil0 is given back.', yield* other.release(), 0);
    s.expect('dma0 is given back.', yield* driver.release(), 0);
  },
});
