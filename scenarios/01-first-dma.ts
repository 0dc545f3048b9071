/** The simplest thing that a device can do under an IOMMU, from the first system call to the first fault. */
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
const SIZE = 0x4000;
/** Where the device will see the buffer. The process sees it elsewhere: that is what translation is for. */
const IOVA = 0x10_0000n;

export default scenario({
  name: '01-first-dma',
  title: 'The first DMA',
  question:
    'What has to happen before a device may touch the memory of a process, and what happens when it may no longer?',
  look: [
    'The first DMA reads the entries that say which table is the device’s (Intel: root and context, AMD: one of the device table), and one for each of four levels. The second, on another page, reads four: what is the device’s is in a cache by then. A third on the same page would read none, thanks to the IOTLB.',
    'The unmap invalidates before it returns. After it, the walk finds an empty entry at the top: the tables below are gone.',
    'The read that is blocked comes back to the device as an error (Intel: Unsupported Request, AMD: Completer Abort). The write that is blocked just disappears: only the IOMMU knows.',
  ],
  next: [
    'Run with --step and follow a walk entry by entry.',
    'Run on intel-legacy-39 (--machine intel-legacy-39): how many entries does the walk read there? And on amd-v1?',
    'Make SIZE 0x40000000 (1 GiB, as in the proposal’s own example) and IOVA 0x40000000n. Why does the walk get shorter, and what takes so long?',
  ],

  *run(s) {
    const app = s.process('app');

    s.step('A process opens the device and /dev/ioasid. Neither can do anything yet.');
    const device = yield* app.open('/dev/vfio/devices/dma0');
    const ioasids = yield* app.open('/dev/ioasid');
    s.check('Both files are open.', device >= 0 && ioasids >= 0);

    s.step('It binds the device to the ioasid fd. From now on the device is its own, and may do no DMA at all.');
    s.expect('The device is bound.', yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids }), 0);

    s.step('It allocates an I/O address space: a page table that is still empty.');
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    s.check('It has a number.', ioasid >= 0);

    s.step('It attaches the device to it: the IOMMU’s entry for the device now points to that table.');
    s.expect('The device is attached.', yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);

    s.step('It maps a buffer of its own memory, for reading and writing, at an address of its choice.');
    const vaddr = yield* app.mmap(SIZE);
    const mapping = { ioasid, flags: READ | WRITE, vaddr, iova: IOVA, size: BigInt(SIZE) };
    s.expect('The buffer is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping), 0);

    s.step('The device writes into the buffer, knowing nothing but the I/O virtual address.');
    const engine = yield* s.dmaEngine(app, device);
    const message = new TextEncoder().encode('Hello from the device!');
    yield* engine.write(IOVA, message);
    s.expect('The process finds the bytes in its memory.', app.read(vaddr, message.length), message);

    s.step('The device reads what the process wrote on the next page.');
    const answer = new TextEncoder().encode('Hello from the process!');
    app.write(vaddr + 0x1000n, answer);
    const read = yield* engine.read(IOVA + 0x1000n, answer.length);
    s.expect('The device has the bytes.', read, { ok: true, data: answer });

    s.step('The process unmaps the buffer. The kernel clears the entries and makes the IOMMU forget them.');
    const unmapping = { ioasid, iova: IOVA, size: BigInt(SIZE) };
    s.expect('It is unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, unmapping), 0);

    s.step('The device tries again: a read first.');
    s.expect('The read is refused.', (yield* engine.read(IOVA, 16)).ok, false);

    s.step('Then a write. Nobody answers a write, so the device believes that all is well.');
    yield* engine.write(IOVA + 0x1000n, new Uint8Array(answer.length));
    s.expect('The process’s memory is untouched.', app.read(vaddr + 0x1000n, answer.length), answer);

    s.step('The IOMMU interrupts the kernel, which reads what it has recorded.');
    yield us(20);
    const records = s.faults().map(({ device: who, access, address }) => ({ who, access, address }));
    s.expect('Both attempts are on record, with device and page.', records, [
      { who: 'dma0', access: 'read', address: IOVA },
      { who: 'dma0', access: 'write', address: IOVA + 0x1000n },
    ]);
  },
});
