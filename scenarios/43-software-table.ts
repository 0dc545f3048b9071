/** A device that is only software, in the space of one that is not: metadata to the one, a table in memory to the other. */
import {
  IOASID_ALLOC,
  IOASID_FAULT,
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
/** Mapped for reading only. */
const READ_ONLY = 0x20_0000n;

export default scenario({
  name: '43-software-table',
  title: 'A device that is only software',
  question: 'What is an I/O address space to a device whose DMA the CPU copies, and which no IOMMU ever sees?',
  look: [
    'soft0 has the registers of a DMA engine, and no place on any bus: its driver in the kernel plays the device. The program drives both devices with the same code.',
    'Attaching soft0 writes no table and sends no command to the IOMMU. Its driver asks the kernel where a page is, pins it, copies, and lets go of it.',
    'dma0 is attached beside it. Only now there is a table in memory, filled with what was mapped before.',
    'What may not be written may not be written by either. The two events that the process reads are the same.',
  ],
  next: [
    'npx ioasim run 42-device-mmu, and compare: there a driver of IOMMUs was added, here a driver of a device.',
    'Let soft0 ask for pages that are missing (requestPages), read the event and answer it, as in 44-device-faults.',
    'Nest a space on this one, attach soft0 to it, and unmap the page below.',
    'Attach soft0 with a PASID. Why is that refused, and what would its driver have to keep apart?',
  ],
  hardware: {
    rootPorts: [],
    switches: [],
    bridges: [],
    devices: [{ name: 'dma0', model: 'dma-engine', at: '00:01.0' }],
  },

  *run(s) {
    const { kernel } = s.machine;
    const app = s.process('app');

    s.step(
      'The kernel makes a device that is all software. A process takes it, and attaches it to an empty I/O address space.',
    );
    s.expect('There is one more device file.', kernel.addMediated('soft0'), 0);
    const soft = yield* app.open('/dev/vfio/devices/soft0');
    const ioasids = yield* app.open('/dev/ioasid');
    s.expect('It is bound.', yield* app.ioctl(soft, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids }), 0);
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    const vaddr = yield* app.mmap(Number(2n * PAGE), { populate: true });
    const before = kernel.allocator.free;
    s.expect('It is attached.', yield* app.ioctl(soft, VFIO_ATTACH_IOASID, { ioasid }), 0);

    s.step('The process maps two pages, the second for reading only.');
    const pages = [
      { ioasid, flags: READ | WRITE, vaddr, iova: IOVA, size: PAGE },
      { ioasid, flags: READ, vaddr: vaddr + PAGE, iova: READ_ONLY, size: PAGE },
    ];
    for (const mapping of pages) s.expect('It is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping), 0);
    s.expect('They are pinned.', kernel.pages.pinned, 2);
    s.expect('No memory has become a table.', kernel.allocator.free, before);

    s.step('The device in software writes to the first page.');
    const inSoftware = yield* s.dmaEngine(app, soft);
    const message = new TextEncoder().encode('copied by the CPU');
    s.expect('It has written.', yield* inSoftware.write(IOVA, message), { ok: true, data: message });
    s.expect('The process finds it.', app.read(vaddr, message.length), message);
    s.expect('No IOMMU was asked.', s.iotlb(), { hits: 0, misses: 0 });

    s.step('The process attaches a device in hardware to the same space, which reads there.');
    const dma = yield* app.open('/dev/vfio/devices/dma0');
    yield* app.ioctl(dma, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    s.expect('It is attached beside it.', yield* app.ioctl(dma, VFIO_ATTACH_IOASID, { ioasid }), 0);
    const inHardware = yield* s.dmaEngine(app, dma);
    s.expect('It reads the same.', yield* inHardware.read(IOVA, message.length), { ok: true, data: message });
    s.expect('That went through the IOMMU.', s.iotlb(), { hits: 0, misses: 1 });

    s.step('Both try to write the page that is for reading.');
    yield* inHardware.write(READ_ONLY, message);
    yield us(20);
    s.expect('Software learns at once that it may not.', yield* inSoftware.write(READ_ONLY, message), {
      ok: false,
      error: 'NO_TRANSLATION',
      faultAddress: READ_ONLY,
    });
    s.expect('The page is as it was.', app.read(vaddr + PAGE, message.length), new Uint8Array(message.length));
    const bytes = yield* app.readFile(ioasids, 4096);
    const events = typeof bytes === 'number' ? [] : [...Array(bytes.length / IOASID_FAULT.bytes).keys()];
    const told = events.map((i) => IOASID_FAULT.decode((bytes as Uint8Array).subarray(i * IOASID_FAULT.bytes)));
    const event = { flags: 0, ioasid, perm: 2, addr: READ_ONLY };
    s.expect(
      'The process is told of both, in the same words.',
      told.map(({ flags, ioasid: where, perm, addr }) => ({ flags, ioasid: where, perm, addr })),
      [event, event],
    );

    s.step('The process unmaps the first page.');
    const unmapping = { ioasid, iova: IOVA, size: PAGE };
    s.expect('It is unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, unmapping), 0);
    s.expect('Software cannot read it.', (yield* inSoftware.read(IOVA, 16)).ok, false);
    s.expect('Hardware cannot either.', (yield* inHardware.read(IOVA, 16)).ok, false);

    s.step('The process ends.');
    yield* app.exit();
    s.expect('Nothing is pinned any more.', kernel.pages.pinned, 0);
    s.expect('The device in software can go.', kernel.removeMediated('soft0'), 0);
  },
});
