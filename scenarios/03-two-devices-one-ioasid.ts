/** One I/O address space, two devices: what they share, and what they do not. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const IOVA = 0x20_0000n;
const SIZE = 0x2000;

export default scenario({
  name: '03-two-devices-one-ioasid',
  title: 'Two devices, one I/O address space',
  question:
    'Which tables do two devices have in common when they are attached to the same IOASID, and what does each have alone?',
  look: [
    'Each device has an entry of its own (Intel: a context entry, AMD: one of the device table). Both entries point to the same table and name the same domain.',
    'On Intel machines the second device walks although the first one already has: their IOTLB keeps translations per requester. That of AMD machines keeps them per domain, and the second device finds what the first one left.',
    'The detach erases one of the two entries and invalidates by domain. The shared table stays as it is; all that dma0 notices is one more walk.',
  ],
  next: [
    'Run on the other vendor’s machine (--machine amd-v1): which of the reads are gone?',
    'Attach dma2 as well. Which entry does the IOMMU read that it has not read before?',
    'Unmap while both are attached. How many invalidations does the kernel send for two devices?',
    'Give dma1 an IOASID of its own instead of detaching it, and map other memory at the same address.',
  ],

  *run(s) {
    const app = s.process('app');

    s.step('A process takes two devices and allocates one I/O address space.');
    const ioasids = yield* app.open('/dev/ioasid');
    const first = yield* app.open('/dev/vfio/devices/dma0');
    const second = yield* app.open('/dev/vfio/devices/dma1');
    for (const device of [first, second]) yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);

    s.step('It attaches both devices to it.');
    s.expect('dma0 is attached.', yield* app.ioctl(first, VFIO_ATTACH_IOASID, { ioasid }), 0);
    s.expect('dma1 is attached.', yield* app.ioctl(second, VFIO_ATTACH_IOASID, { ioasid }), 0);

    s.step('It maps a buffer, once.');
    const vaddr = yield* app.mmap(SIZE);
    const mapping = { ioasid, flags: READ | WRITE, vaddr, iova: IOVA, size: BigInt(SIZE) };
    s.expect('The buffer is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping), 0);

    s.step('One device writes, the other reads at the same address.');
    const dma0 = yield* s.dmaEngine(app, first);
    const dma1 = yield* s.dmaEngine(app, second);
    const letter = new TextEncoder().encode('from dma0 to dma1');
    yield* dma0.write(IOVA, letter);
    s.expect('dma1 reads what dma0 wrote.', yield* dma1.read(IOVA, letter.length), { ok: true, data: letter });

    s.step('The process detaches dma1.');
    s.expect('dma1 is detached.', yield* app.ioctl(second, VFIO_DETACH_IOASID, { ioasid }), 0);

    s.step('Both devices read again.');
    s.expect('dma0 still reads.', yield* dma0.read(IOVA, letter.length), { ok: true, data: letter });
    s.expect('dma1 is refused.', (yield* dma1.read(IOVA, letter.length)).ok, false);

    s.step('The kernel reads what the IOMMU has recorded.');
    yield us(20);
    const faults = s.faults();
    s.expect(
      'Only dma1 is in it.',
      faults.map(({ device, address }) => ({ device, address })),
      [{ device: 'dma1', address: IOVA }],
    );
    for (const { device, access, meaning } of faults) s.note(`${device}, ${access}: ${meaning}.`);
  },
});
