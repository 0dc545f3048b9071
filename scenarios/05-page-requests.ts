import { type PageRequestGroup, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const PASID = 5;
const READ_WRITE = { read: true, write: true };

export default scenario({
  name: '05-page-requests',
  title: 'A device asks for pages that are not there',
  question: 'Who decides whether a device gets a page that nobody has mapped, and what does the device do meanwhile?',
  look: [
    'The translation request is answered: no rights. Only then does the device send a page request message.',
    'The IOMMU queues it in memory and interrupts; the kernel answers by a descriptor, and the IOMMU sends the response.',
    'After a success the device asks for the translation anew; after a refusal the transfer ends with an error.',
  ],
  next: ['npx ioasim run 05-page-requests --capture pri.pcapng', 'npx ioasim run 05-page-requests --machine amd-full'],
  machine: 'intel-scalable',
  needs: ['ats', 'pasid', 'page requests'],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [
      {
        name: 'dma0',
        model: 'dma-engine',
        at: 'port0:00.0',
        deviceTlb: { sets: 16, ways: 4 },
        pasidWidth: 20,
        pageRequests: 32,
      },
    ],
  },
  *run(s) {
    s.step('A driver in the kernel takes the device and lets it ask for pages, under PASID 5.');
    const driver = s.driver('dma0');
    const engine = s.dmaEngineOf(driver);
    s.expect('All of them can do it.', yield* driver.permit({ ats: true, pasid: true, pageRequests: 32 }), 0);
    yield* driver.setBusMaster(true);
    const domain = yield* s.domain(driver, { stage: 'first' });
    const buffer = s.buffer(driver, 1);
    const asked: { page: number; write: boolean }[] = [];

    s.step('Whoever attaches the device says what happens when it asks: page 0x100 is served, all others are refused.');
    function* serve(group: PageRequestGroup) {
      const [{ page, write }] = group.requests as [(typeof group.requests)[number]];
      asked.push({ page, write });
      // The time that a kernel needs to find the page.
      yield us(10);
      const mine = page === PAGE;
      if (mine) yield* driver.map(domain, PAGE, buffer, READ_WRITE);
      yield* group.respond(mine ? 'success' : 'invalid');
    }
    const onPageRequest = (group: PageRequestGroup) => void s.machine.engine.spawn(serve(group), 'page fault');
    s.expect('The device is attached.', yield* driver.attach(domain, { pasid: PASID, onPageRequest }), 0);

    s.step('The device writes to page 0x100, where nothing is.');
    const message = new TextEncoder().encode('It came when it was needed');
    const written = yield* engine.write(IOVA, message, { pasid: PASID, requestPages: true });
    yield us(2);
    s.expect('The write succeeds.', written.ok, true);
    s.expect(
      'The bytes are in the page that was mapped for it.',
      driver.memory.read(buffer, 0, message.length),
      message,
    );
    s.expect('It asked for that page once, to write.', asked, [{ page: PAGE, write: true }]);

    s.step('It writes to page 0x200, which it may not have.');
    const refused = yield* engine.write(0x20_0000n, message, { pasid: PASID, requestPages: true });
    s.expect('The transfer ends with an error.', refused, {
      ok: false,
      error: 'NO_TRANSLATION',
      faultAddress: 0x20_0000n,
    });

    s.step('It writes to page 0x300 without asking: the transfer ends at once.');
    const silent = yield* engine.write(0x30_0000n, message, { pasid: PASID });
    s.expect('Nobody was asked.', [silent.ok, asked.length], [false, 2]);
    s.expect('None of this is a fault.', s.faults(), []);
    s.expect('Everything is given back.', yield* driver.release(), 0);
  },
});
