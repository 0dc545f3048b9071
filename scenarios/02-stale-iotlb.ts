/** What an IOTLB remembers after a page table has forgotten, and what a kernel must do about it. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  type Script,
  type Stage,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const IOVA = 0x10_0000n;
const PAGE = 0x1000;
const SECRET = new TextEncoder().encode('my password');
const POISON = new TextEncoder().encode('overwritten');

export default scenario({
  name: '02-stale-iotlb',
  title: 'The translation that would not die',
  question: 'Is it enough to clear a page-table entry to keep a device out of memory?',
  look: [
    'Both acts issue the same system calls. The only difference is one invalidation during the unmap.',
    'In the first act the last write is an IOTLB hit: the IOMMU never looks at the table, in which nothing is left.',
    'The kernel has long given the page away: the device writes into the memory of another process.',
  ],
  next: [
    'Run with --set iommu.iotlb.ways=1: one entry is all the IOTLB has, and still the write gets through. Why?',
    'Map a second page and let the device write there before the attack, still with one way. Now the stale entry is gone, by luck.',
    'Count what the invalidation costs: compare the time of the two IOASID_UNMAP_DMA calls in a trace (--trace stale.txt).',
  ],
  kernel: { invalidate: 'none' },

  *run(s) {
    s.note('First act: a kernel with a bug. Its unmap clears the entries and does not tell the IOMMU.');
    const careless = yield* unmapAndAttack(s);
    s.expect('The device has written into the memory of another process.', careless.memory, POISON);
    s.expect('Nobody has noticed: no fault.', careless.faults, 0);

    s.note('Second act: the same machine and the same programs under a kernel that invalidates.');
    yield* s.reboot({ invalidate: 'strict' });
    const careful = yield* unmapAndAttack(s);
    s.expect('The other process finds its memory as it was.', careful.memory, SECRET);
    s.expect('The attempt is on record.', careful.faults, 1);
  },
});

/** One act: what the victim finds in its memory in the end, and how many faults the kernel has read. */
function* unmapAndAttack(s: Stage): Script<{ memory: Uint8Array; faults: number }> {
  const app = s.process('app');

  s.step('A process lets a device write one page of its memory.');
  const device = yield* app.open('/dev/vfio/devices/dma0');
  const ioasids = yield* app.open('/dev/ioasid');
  yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
  yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
  const engine = yield* s.dmaEngine(app, device);
  const vaddr = yield* app.mmap(PAGE);
  const range = { ioasid, iova: IOVA, size: BigInt(PAGE) };
  const mapped = yield* app.ioctl(ioasids, IOASID_MAP_DMA, { ...range, vaddr, flags: IoasidMapFlag.WRITE });
  s.expect('The page is mapped.', mapped, 0);

  s.step('The device writes. The IOMMU walks the table and keeps the translation in its IOTLB.');
  const greeting = new TextEncoder().encode('so far, so good');
  yield* engine.write(IOVA, greeting);
  s.expect('The bytes arrive.', app.read(vaddr, greeting.length), greeting);

  s.step('The process unmaps the page and gives the memory back to the kernel.');
  s.expect('It is unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, range), 0);
  yield* app.munmap(vaddr, PAGE);

  s.step('Another process gets the page and keeps a secret in it.');
  const victim = s.process('victim');
  const secret = yield* victim.mmap(PAGE);
  victim.write(secret, SECRET);

  s.step('The device writes to the old address once more.');
  yield* engine.write(IOVA, POISON);
  yield us(20);
  return { memory: victim.read(secret, SECRET.length), faults: s.faults().length };
}
