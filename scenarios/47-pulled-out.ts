import {
  ENODEV,
  errnoName,
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  ms,
  ns,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const IOVA = 0x10_0000n;
const PAGE = 0x1000;
/** Bytes that take their time on a link of one lane: 4 ns each. */
const LARGE = 512;
const MARK = 0x11;
/** From an unmap's call until its invalidation is on the way to the device. */
const ON_THE_WAY = ns(700);
const SLOW = { generation: 1, width: 1, latency: 150, credits: {} } as const;

const dmaEngine = (name: string, at: string) =>
  ({ name, model: 'dma-engine', at, deviceTlb: { sets: 16, ways: 4 } }) as const;

export default scenario({
  name: '47-pulled-out',
  title: 'A device is pulled out while it works',
  question:
    'Who notices that a device has gone, and what does an unmap wait for that needs the word of a device which is not there?',
  look: [
    'The link is down at once: of the write that was under way the first part is in memory, and the rest nowhere.',
    'The port is not gone. It interrupts; the kernel reads Slot Status, clears it, and lets go of the device (“it has gone”).',
    'The driver’s read of a register was on its way to dma0 or back: the root complex gives up on it after 50 ms, and then it is all ones.',
    'The first unmap sends no invalidation to dma0, although dma0 had kept a translation. The second is already waiting for dma1 when that goes: the IOMMU’s time-out ends the wait, and the kernel does not ask dma1 again.',
  ],
  next: [
    'npx ioasim run 47-pulled-out --machine amd-full. How does an AMD unit say that a device has not answered?',
    'Take the slots away (--set rootPorts.0.slot=false). Why can dma0 not be pulled out now?',
    'Interrupts of ports are interrupts of devices: --set kernel.interruptRemapping=on.',
  ],
  machine: 'intel-scalable',
  kernel: { trustDevices: true },
  needs: ['ats'],
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0', slot: true, link: SLOW },
      { name: 'port1', at: '00:1d.0', slot: true, link: SLOW },
    ],
    switches: [],
    bridges: [],
    devices: [dmaEngine('dma0', 'port0:00.0'), dmaEngine('dma1', 'port1:00.0'), dmaEngine('dma2', '00:01.0')],
  },
  *run(s) {
    s.step('A process takes three devices, two of them in slots, and attaches them to one I/O address space.');
    const app = s.process('app');
    const ioasids = yield* app.open('/dev/ioasid');
    const fds: number[] = [];
    for (const name of ['dma0', 'dma1', 'dma2']) fds.push(yield* app.open(`/dev/vfio/devices/${name}`));
    for (const fd of fds) yield* app.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    for (const fd of fds) yield* app.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid });
    const vaddr = yield* app.mmap(3 * PAGE);
    const mapping = { ioasid, flags: READ | WRITE, vaddr, iova: IOVA };
    const mapped: number[] = [];
    for (let n = 0; n < 3; n++) {
      const page = { ...mapping, vaddr: vaddr + BigInt(n * PAGE), iova: IOVA + BigInt(n * PAGE), size: BigInt(PAGE) };
      mapped.push(yield* app.ioctl(ioasids, IOASID_MAP_DMA, page));
    }
    s.expect('Three pages are mapped.', mapped, [0, 0, 0]);
    const [dma0, dma1, dma2] = [
      yield* s.dmaEngine(app, fds[0]!),
      yield* s.dmaEngine(app, fds[1]!),
      yield* s.dmaEngine(app, fds[2]!),
    ];
    const unmap = (n: number) =>
      app.ioctl(ioasids, IOASID_UNMAP_DMA, { ioasid, iova: IOVA + BigInt(n * PAGE), size: BigInt(PAGE) });

    s.step('dma0 writes to the first page. In the middle of it somebody pulls dma0 out.');
    const writing = s.machine.engine.spawn(dma0.write(IOVA, new Uint8Array(LARGE).fill(MARK)), 'a write');
    while (app.read(vaddr, 1)[0] !== MARK) yield ns(100);
    s.expect('dma0 keeps a translation of the page.', s.deviceTlb('dma0').misses, 1);
    s.machine.unplug('dma0');
    yield us(10);
    const arrived = app.read(vaddr, LARGE).lastIndexOf(MARK) + 1;
    s.note(`${arrived} of ${LARGE} bytes have arrived.`);
    s.check('Those are not all, and not none.', arrived > 0 && arrived < LARGE);

    s.step('The port has told the kernel.');
    const again = yield* app.open('/dev/vfio/devices/dma0');
    s.expect('dma0 cannot be opened any more.', errnoName(again), 'ENOENT');
    s.expect(
      'Nor does the descriptor that there is lead anywhere.',
      yield* app.ioctl(fds[0]!, VFIO_ATTACH_IOASID, { ioasid }),
      -ENODEV,
    );
    s.expect('None of this is a fault of the IOMMU.', s.faults(), []);

    s.step('The process unmaps the page, of which dma0 had a translation.');
    const before = s.now;
    s.expect('It is unmapped.', yield* s.told('unmap', unmap(0)), 0);
    s.check('Nobody has waited for dma0.', s.now - before < us(20));
    s.expect('dma2 has lost the page, too.', (yield* dma2.read(IOVA, 16)).ok, false);
    const written = yield* s.join(writing);
    s.expect('The driver of dma0 has read what nobody says: all ones.', written.ok, false);

    s.step('dma1 writes to the second page and keeps a translation. It is pulled out while an unmap waits for it.');
    yield* dma1.write(IOVA + BigInt(PAGE), Uint8Array.of(0x22));
    yield us(5);
    const start = s.now;
    const unmapping = s.machine.engine.spawn(unmap(1), 'an unmap');
    yield ON_THE_WAY;
    s.machine.unplug('dma1');
    s.expect('The page is unmapped in the end.', yield* s.join(unmapping), 0);
    s.note(`The unmap has taken ${Math.round((s.now - start) / 1e6)} us.`);
    s.check('It has waited as long as the IOMMU gives a device to answer.', s.now - start > ms(1));

    s.step('dma2, which stands in no slot, works as before.');
    const message = new TextEncoder().encode('still here');
    yield* dma2.write(IOVA + BigInt(2 * PAGE), message);
    yield us(2);
    s.expect('The bytes are in the third page.', app.read(vaddr + BigInt(2 * PAGE), message.length), message);
    for (const fd of fds) yield* app.close(fd);
    yield* app.exit();
    s.expect('No memory is left pinned.', s.machine.kernel.pages.pinned, 0);
  },
});
