import { ns, scenario, us } from '../src/index.ts';

/** I/O virtual page 0x100: address 0x100000. */
const PAGE = 0x100;
const IOVA = 0x10_0000n;
const READ_WRITE = { read: true, write: true };
/** Bytes that take their time on a link of one lane: 4 ns each. */
const LARGE = 512;
/** Until the driver of dma1 has filled its buffer and started it. */
const FILLING = ns(8_500);
const SLOW = { generation: 1, width: 1, latency: 150, credits: {} } as const;

const dmaEngine = (name: string, at: string) =>
  ({
    name,
    model: 'dma-engine',
    at,
    deviceTlb: { sets: 16, ways: 4 },
    pasidWidth: 20,
    pageRequests: 32,
  }) as const;

export default scenario({
  name: '04-device-tlb',
  title: 'A device keeps translations of its own, until it is told to forget them',
  question: 'What does the IOMMU still see of a device that has a device-TLB, and why is an unmap slower with one?',
  look: [
    'The first access sends a translation request, then a request with a translated address; the second needs only the latter.',
    'Before the unmap returns, an invalidate request goes down to each device and its completion comes back.',
    'Both requests find a transfer under way: on these links 512 bytes take 2 us. dma0 completes the invalidation when the last data of its read are there; dma1 puts the completion behind its last write, which it cannot overtake.',
  ],
  next: [
    'npx ioasim run 04-device-tlb --capture ats.pcapng, and look at the messages in Wireshark.',
    'npx ioasim run 04-device-tlb --set devices.0.deviceTlb.ways=1 --set devices.0.deviceTlb.sets=1',
    'Give dma1 a fast link (--set rootPorts.1.link.generation=5). How long does the unmap take now, and for whom does it wait?',
  ],
  machine: 'intel-scalable',
  needs: ['ats'],
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0', link: SLOW },
      { name: 'port1', at: '00:1d.0', link: SLOW },
    ],
    switches: [],
    bridges: [],
    devices: [dmaEngine('dma0', 'port0:00.0'), dmaEngine('dma1', 'port1:00.0')],
  },
  *run(s) {
    s.step('Drivers in the kernel take two devices and let them keep translations (ATS).');
    const driver = s.driver('dma0');
    const other = s.driver('dma1');
    const engine = s.dmaEngineOf(driver);
    const writer = s.dmaEngineOf(other);
    s.expect('Device and IOMMU can do it.', yield* driver.permit({ ats: true }), 0);
    s.expect('So can the other.', yield* other.permit({ ats: true }), 0);
    yield* driver.setBusMaster(true);
    yield* other.setBusMaster(true);

    s.step('Two pages are mapped, and both devices are attached to them.');
    const buffer = s.buffer(driver, 2);
    const domain = yield* s.domain(driver);
    s.expect('They are mapped.', yield* driver.map(domain, PAGE, buffer, READ_WRITE), 0);
    s.expect('dma0 is attached.', yield* driver.attach(domain), 0);
    s.expect('dma1 is attached.', yield* other.attach(domain), 0);

    s.step('The first write: dma0 asks where the page lies, keeps the answer, and writes there itself.');
    const message = new TextEncoder().encode('Translated by the device');
    yield* engine.write(IOVA, message);
    yield us(2);
    s.expect('The bytes are in the page.', driver.memory.read(buffer, 0, message.length), message);
    s.expect('It has asked once.', s.deviceTlb('dma0'), { hits: 0, misses: 1, faults: 0 });

    s.step('The second write to the page: nothing is asked any more.');
    yield* engine.write(IOVA + 64n, message);
    s.expect('The device has found the page by itself.', s.deviceTlb('dma0'), { hits: 1, misses: 1, faults: 0 });

    s.step('dma1 writes to the page and dma0 reads from it, over slow links. Meanwhile the page is unmapped.');
    const writing = s.machine.engine.spawn(writer.write(IOVA + 2048n, filled(0x11)), 'a write that is under way');
    yield FILLING;
    const reading = s.machine.engine.spawn(engine.read(IOVA + 2048n, LARGE), 'a read that is under way');
    yield us(1);
    s.expect('It is unmapped.', yield* driver.unmap(domain, PAGE, 1), 0);

    s.step('The kernel has waited for both devices, so the page can have a new owner at once.');
    const owned = filled(0x22);
    driver.memory.write(buffer, 2048, owned);
    const read = yield* s.join(reading);
    yield* s.join(writing);
    s.check('dma0 has read nothing of the new owner.', read.ok && !read.data.includes(0x22));
    s.expect('No write of dma1 has come late.', driver.memory.read(buffer, 2048, LARGE), owned);

    s.step('dma0 tries again: it has forgotten the page, asks, and is told that there is none.');
    const refused = yield* engine.read(IOVA, 16);
    s.expect('It gets no translation.', refused, { ok: false, error: 'NO_TRANSLATION', faultAddress: IOVA });
    s.expect('The page beside it is as before.', (yield* engine.read(IOVA + 0x1000n, 16)).ok, true);
    s.expect('A translation request that is refused is no fault: nothing is on record.', s.faults(), []);
    s.expect('dma1 is given back.', yield* other.release(), 0);
    s.expect('Everything is given back.', yield* driver.release(), 0);
  },
});

function filled(byte: number): Uint8Array {
  return new Uint8Array(LARGE).fill(byte);
}
