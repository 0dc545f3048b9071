/** What an IOMMU remembers of the way to a table, and who may write the table by then. */
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

const PAGE_BYTES = 0x1000;
/** I/O virtual page 0x100, and the page beside it, which is never mapped. */
const IOVA = 0x10_0000n;
const BESIDE = IOVA + BigInt(PAGE_BYTES);
/** The entries of both are in one table: what leads to the page beside stands here. */
const ENTRY = 0x101 * 8;
/** Permission to read, as an entry of either kind of IOMMU says it: bit 0, or bits 0 and 61. */
const READABLE = (1n << 61n) | 1n;
const KEY = new TextEncoder().encode('the key of a driver');
/** Pages that the process asks for: the table is among them. */
const WANTED = 16;

export default scenario({
  name: '45-freed-table',
  title: 'A page table that a process has written',
  question: 'A process unmaps a page, and the kernel frees the table that led to it. Who walks this table afterwards?',
  look: [
    'The translation of the first page is not used: the last read goes to the page beside it, which nobody has ever mapped.',
    'That read is an IOTLB miss, and yet the IOMMU reads one entry only: the way to the lowest table it knows by heart.',
    'The process knows nothing of the kernel. It fills what it is given with the same entry, and one of these pages is the table.',
    'The invalidation of the second act names one page. With it goes the way to the table, because the kernel says that not only the lowest entry has changed.',
  ],
  next: [
    'Which bit of the invalidation says so? (npx ioasim run 45-freed-table --trace freed.txt; IH on Intel, PDE on AMD.)',
    'Compare with 02-stale-iotlb: there the device keeps one page. What does it get here?',
    'Look for CVE-2025-71202: whose tables were walked there after they had been freed?',
  ],
  machine: 'intel-scalable',
  needs: ['table caches'],
  kernel: { invalidate: 'none' },

  *run(s) {
    s.note('First act: a kernel with a bug. It frees a table and does not tell the IOMMU.');
    const careless = yield* act(s);
    s.expect('The device has the key.', careless.read, { ok: true, data: KEY });
    s.expect('Nobody has noticed: no fault.', careless.faults, 0);

    s.note('Second act: the same machine and the same programs under a kernel that invalidates.');
    yield* s.reboot({ invalidate: 'strict' });
    const careful = yield* act(s);
    s.expect('The device is refused.', careful.read.ok, false);
    s.expect('The attempt is on record.', careful.faults, 1);
  },
});

/** One act: what the device reads in the end at an address that nobody has mapped, and how many faults there are. */
function* act(s: Stage): Script<{ read: { ok: boolean }; faults: number }> {
  s.step('A driver in the kernel keeps a key in its memory. It has nothing to do with what follows.');
  const keeper = s.driver('dma1');
  const key = s.buffer(keeper, 1);
  keeper.memory.write(key, 0, KEY);

  s.step('A process lets its device read one page of its memory. The IOMMU walks down to the lowest table.');
  const app = s.process('app');
  const device = yield* app.open('/dev/vfio/devices/dma0');
  const ioasids = yield* app.open('/dev/ioasid');
  yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
  yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
  const engine = yield* s.dmaEngine(app, device);
  const vaddr = yield* app.mmap(PAGE_BYTES, { populate: true });
  const range = { ioasid, iova: IOVA, size: BigInt(PAGE_BYTES) };
  const mapped = yield* app.ioctl(ioasids, IOASID_MAP_DMA, { ...range, vaddr, flags: IoasidMapFlag.READ });
  s.expect('The page is mapped.', mapped, 0);
  s.check('The device reads it.', (yield* engine.read(IOVA, 8)).ok);

  s.step('It unmaps the page. Nothing is left in the table, and the kernel takes the table back.');
  s.expect('It is unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, range), 0);

  s.step('It asks for memory, and writes into each page what is an entry to an IOMMU: it leads to the key.');
  const entry = new Uint8Array(8);
  // Where the key is, the process has guessed.
  const where = BigInt(key.frames[0]! * PAGE_BYTES);
  new DataView(entry.buffer).setBigUint64(0, where | READABLE, true);
  for (let i = 0; i < WANTED; i++) {
    const page = yield* app.mmap(PAGE_BYTES, { populate: true });
    app.write(page + BigInt(ENTRY), entry);
  }

  s.step('The device reads beside the page that it had.');
  const read = yield* engine.read(BESIDE, KEY.length);
  yield us(20);
  return { read, faults: s.faults().length };
}
