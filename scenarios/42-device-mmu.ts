/** A device that translates its addresses itself: two units, one driver in front of the other, and the same commands as ever. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const PAGE = 0x1000n;
const IOVA = 0x10_0000n;
/** Where the device sees a page that a device without an MMU could not be given: its writes would be interrupts. */
const AMONG_INTERRUPTS = 0xfee0_0000n;
/** What the kernel adds to addresses of the device to get those on the bus. */
const WINDOW = 0x1_0000_0000n;

export default scenario({
  name: '42-device-mmu',
  title: 'A device with an MMU of its own',
  question:
    'Who translates when a device has an MMU of its own, and who keeps the device from memory when its program turns that MMU to its own ends?',
  look: [
    'The process does what it does with every device. That there are two units is known to one driver in the kernel, which stands in front of the driver of the IOMMU; nothing above it has changed.',
    'A mapping is entered twice: in the IOMMU’s tables in memory, and by writes to the device’s own memory (MWr to its third range). The packets of the DMA carry bus addresses, 4 GiB above those that the program gave the device.',
    'What the device’s MMU refuses does not leave the device. It interrupts instead, and the kernel reads from it which address that was: the program’s own.',
    'The program can write the tables and switch the MMU off, as it drives the device. Then requests do leave the device, and the IOMMU blocks them: it maps nothing there, or not for writing.',
  ],
  next: [
    'Run with --capture and look for the writes to the device’s memory. How many does the first page of a table take, and how many the next?',
    'Let the program redirect its page to bus page 0 of the window, or to where another process’s memory is. What does the IOMMU record?',
    'Map at 0x100000000n. Which unit is it that cannot?',
    'Attach an ordinary DMA engine to the same IOASID. Why is that refused, and what would the process have to do?',
  ],
  hardware: {
    rootPorts: [],
    switches: [],
    bridges: [],
    devices: [{ name: 'mmu0', model: 'mmu-engine', at: '00:01.0' }],
  },

  *run(s) {
    const app = s.process('app');

    s.step('A process takes the device and attaches it to an empty I/O address space.');
    const device = yield* app.open('/dev/vfio/devices/mmu0');
    const ioasids = yield* app.open('/dev/ioasid');
    yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    s.expect('It is attached.', yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);

    s.step('It maps two pages, the first for reading only, the second at an address that means interrupts on the bus.');
    const vaddr = yield* app.mmap(Number(2n * PAGE));
    const first = { ioasid, flags: READ, vaddr, iova: IOVA, size: PAGE };
    const second = { ioasid, flags: READ | WRITE, vaddr: vaddr + PAGE, iova: AMONG_INTERRUPTS, size: PAGE };
    for (const mapping of [first, second]) {
      s.expect('It is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping), 0);
    }

    s.step('The device reads the one and writes the other. Each page is translated twice.');
    const engine = yield* s.dmaEngine(app, device);
    const message = new TextEncoder().encode('through two units');
    app.write(vaddr, message);
    s.expect('It reads.', yield* engine.read(IOVA, message.length), { ok: true, data: message });
    yield* engine.write(AMONG_INTERRUPTS, message);
    yield us(10);
    s.expect('The process finds what it wrote.', app.read(vaddr + PAGE, message.length), message);
    s.expect('Its own MMU has looked for two pages.', s.deviceMmu('mmu0'), { hits: 0, misses: 2, faults: 0 });
    s.expect('So has the IOMMU.', s.iotlb(), { hits: 0, misses: 2 });

    s.step('The device tries to write the page that is for reading.');
    const refused = yield* engine.write(IOVA, message);
    s.expect('It learns at once that it may not.', refused, {
      ok: false,
      error: 'NO_TRANSLATION',
      faultAddress: IOVA,
    });
    s.expect('The IOMMU was not asked.', s.iotlb(), { hits: 0, misses: 2 });

    s.step('The program makes its own entry in the device’s tables: the same page, for writing too.');
    const mmu = yield* s.mmuEngine(app, device);
    const page = (address: bigint) => Number(address / PAGE);
    s.expect('Nothing keeps it from that.', yield* mmu.redirect(page(IOVA), page(WINDOW + IOVA)), 0);
    yield* engine.write(IOVA, new Uint8Array(message.length));
    yield us(10);
    s.expect('The page is as it was.', app.read(vaddr, message.length), message);

    s.step('It switches the MMU off, so that its addresses go out as they are.');
    s.expect('Nothing keeps it from that either.', yield* mmu.enable(false), 0);
    s.expect('The IOMMU knows no such address.', (yield* engine.read(IOVA, 16)).ok, false);
    yield* mmu.enable(true);

    s.step('The process unmaps the other page. Both units forget it.');
    const unmapping = { ioasid, iova: AMONG_INTERRUPTS, size: PAGE };
    s.expect('It is unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, unmapping), 0);
    s.expect('The device cannot read it.', (yield* engine.read(AMONG_INTERRUPTS, 16)).ok, false);

    s.step('The kernel has read what both have recorded.');
    yield us(20);
    const told = s.faults();
    s.expect(
      'The device’s MMU tells addresses of the device, the IOMMU those on the bus.',
      told.map(({ access, address }) => ({ access, address })),
      [
        { access: 'write', address: IOVA },
        { access: 'write', address: WINDOW + IOVA },
        { access: 'read', address: IOVA },
        { access: 'read', address: AMONG_INTERRUPTS },
      ],
    );
    for (const { access, meaning } of told) s.note(`${access}: ${meaning}.`);
  },
});
