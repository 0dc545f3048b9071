import { type PageRequestGroup, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const READ_WRITE = { read: true, write: true };

export default scenario({
  name: '06-own-way-of-faulting',
  title: 'A device reports page faults in its own way',
  question: 'How does a page fault reach the owner of an address space when the device knows nothing of page requests?',
  look: [
    'No page request crosses the link: the device stops, and says in a register of its own where.',
    'Its driver reads the register and reports the fault on what the device is attached to.',
    'From there on it is the same path as in 05-page-requests: the same handler, one answer, and the device goes on.',
  ],
  next: ['npx ioasim run 05-page-requests, and compare the traces.'],
  machine: 'intel-scalable',
  needs: ['ats'],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [{ name: 'dma0', model: 'dma-engine', at: 'port0:00.0', deviceTlb: { sets: 16, ways: 4 } }],
  },
  *run(s) {
    s.step('A driver in the kernel takes a device that keeps translations but has no page requests (PRI).');
    const driver = s.driver('dma0');
    const engine = s.dmaEngineOf(driver);
    s.expect('It cannot be allowed to ask.', (yield* driver.permit({ ats: true, pageRequests: 32 })) < 0, true);
    s.expect('It may keep translations.', yield* driver.permit({ ats: true }), 0);
    yield* driver.setBusMaster(true);
    const domain = yield* s.domain(driver);
    const buffer = s.buffer(driver, 1);

    s.step('Whoever attaches it serves page 0x100 and refuses all others.');
    function* serve(group: PageRequestGroup) {
      yield us(10);
      const mine = group.requests[0]!.page === PAGE;
      if (mine) yield* driver.map(domain, PAGE, buffer, READ_WRITE);
      yield* group.respond(mine ? 'success' : 'invalid');
    }
    const onPageRequest = (group: PageRequestGroup) => void s.machine.engine.spawn(serve(group), 'page fault');
    s.expect('It is attached.', yield* driver.attach(domain, { onPageRequest }), 0);

    /** What a driver of such a device does: it reports where the device stopped, and starts it again if it may. */
    function* write(iova: bigint, bytes: Uint8Array) {
      for (;;) {
        const result = yield* engine.write(iova, bytes);
        if (result.ok || result.faultAddress === undefined) return result.ok ? 'written' : result.error;
        const page = Number(result.faultAddress >> 12n);
        s.note(`dma0 has stopped at ${result.faultAddress.toString(16)}; its driver reports that.`);
        const wanted = { page, read: false, write: true, execute: false, privileged: false };
        const answer = yield* driver.reportPageFault(wanted);
        if (answer !== 'success') return answer;
      }
    }

    s.step('The device writes to page 0x100, where nothing is.');
    const message = new TextEncoder().encode('Told in its own words');
    s.expect('It is served, and goes on.', yield* write(IOVA, message), 'written');
    yield us(2);
    s.expect('The bytes are in the page.', driver.memory.read(buffer, 0, message.length), message);

    s.step('It writes to page 0x200, which it may not have.');
    s.expect('The same handler refuses it.', yield* write(0x20_0000n, message), 'invalid');
    s.expect('Everything is given back.', yield* driver.release(), 0);
  },
});
