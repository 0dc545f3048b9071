import { scenario, us } from '../src/index.ts';

/** I/O virtual page 0x100: address 0x100000. */
const PAGE = 0x100;
const IOVA = 0x10_0000n;
const READ_WRITE = { read: true, write: true };

export default scenario({
  name: '04-device-tlb',
  title: 'A device keeps translations of its own, until it is told to forget them',
  question: 'What does the IOMMU still see of a device that has a device-TLB, and why is an unmap slower with one?',
  look: [
    'The first access sends a translation request, then a request with a translated address; the second needs only the latter.',
    'Before the unmap returns, an invalidate request goes down to the device and its completion comes back.',
    'The transfer that is under way has ended when the completion is sent: nothing that uses the old translation is left.',
  ],
  next: [
    'npx ioasim run 04-device-tlb --capture ats.pcapng, and look at the messages in Wireshark.',
    'npx ioasim run 04-device-tlb --set devices.0.deviceTlb.ways=1 --set devices.0.deviceTlb.sets=1',
  ],
  machine: 'intel-scalable',
  needs: ['ats'],
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
    s.step('A driver in the kernel takes the device and lets it keep translations (ATS).');
    const driver = s.driver('dma0');
    const engine = s.dmaEngineOf(driver);
    s.expect('Device and IOMMU can do it.', yield* driver.permit({ ats: true }), 0);
    yield* driver.setBusMaster(true);

    s.step('It maps two pages and attaches the device to them.');
    const buffer = s.buffer(driver, 2);
    const domain = yield* s.domain(driver);
    s.expect('They are mapped.', yield* driver.map(domain, PAGE, buffer, READ_WRITE), 0);
    s.expect('The device is attached.', yield* driver.attach(domain), 0);

    s.step('The first write: the device asks where the page lies, keeps the answer, and writes there itself.');
    const message = new TextEncoder().encode('Translated by the device');
    yield* engine.write(IOVA, message);
    yield us(2);
    s.expect('The bytes are in the page.', driver.memory.read(buffer, 0, message.length), message);
    s.expect('It has asked once.', s.deviceTlb('dma0'), { hits: 0, misses: 1, faults: 0 });

    s.step('The second write to the page: nothing is asked any more.');
    yield* engine.write(IOVA + 64n, message);
    s.expect('The device has found the page by itself.', s.deviceTlb('dma0'), { hits: 1, misses: 1, faults: 0 });

    s.step('The driver unmaps the page while the device reads from it. The kernel waits for the device.');
    const reading = s.machine.engine.spawn(engine.read(IOVA, 4096), 'a read that is under way');
    yield us(2);
    s.expect('It is unmapped.', yield* driver.unmap(domain, PAGE, 1), 0);
    yield* s.join(reading);

    s.step('The device tries again: it has forgotten the page, asks, and is told that there is none.');
    const refused = yield* engine.read(IOVA, 16);
    s.expect('It gets no translation.', refused, { ok: false, error: 'NO_TRANSLATION', faultAddress: IOVA });
    s.expect('The page beside it is as before.', (yield* engine.read(IOVA + 0x1000n, 16)).ok, true);
    s.expect('A translation request that is refused is no fault: nothing is on record.', s.faults(), []);
    s.expect('Everything is given back.', yield* driver.release(), 0);
  },
});
