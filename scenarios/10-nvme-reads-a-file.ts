/** A disk that finds its way through memory by lists of pages, and what happens when the IOMMU is in the way of one. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  NVME_QUEUE_BYTES,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const PAGE = 0x1000;
const BLOCK = 512;

/** The file: where it is on the disk, and which bytes it has. */
const FILE = { block: 2048, bytes: 0x8000, seed: 42 };
const contents = Uint8Array.from({ length: FILE.bytes }, (_, i) => i * 7 + Math.floor(i / BLOCK) + FILE.seed);

/** Where the disk sees the driver's queues, the buffer, and the two pages of the PRP list. */
const QUEUES = 0x10_0000n;
const BUFFER = 0x20_0000n;
const LIST = 0x40_0000n;
/** The list begins 4 entries before the end of its first page, and needs 7. */
const LIST_START = BigInt(PAGE - 4 * 8);

export default scenario({
  name: '10-nvme-reads-a-file',
  title: 'A disk reads a file into memory',
  question: 'A disk is given addresses of addresses. What does it notice when the IOMMU refuses one of them?',
  look: [
    'The disk reads its commands and its lists from memory, and is told when that fails: reads are answered. The data of a read command it writes, and writes are not answered.',
    'So the same missing mapping is an error in one case and silence in the other. Only the fault record of the IOMMU says what happened to the data.',
    'One command of 32 KiB touches 12 pages: 8 of data, two of the list, one of each queue.',
  ],
  next: [
    'Make LIST_START 0n: then the list fits into one page. What is left of the story?',
    'Let the disk write instead of read (disk.write). Which missing pages does it notice now?',
    'Run it with an IOTLB of 4 entries (iommu.iotlb.ways=4). Which pages are walked more than once?',
  ],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [{ name: 'disk0', model: 'nvme', at: 'port0:00.0', files: [FILE] }],
  },

  *run(s) {
    const app = s.process('app');

    s.step('A process takes the disk, which is behind a root port, and gives it an I/O address space.');
    const device = yield* app.open('/dev/vfio/devices/disk0');
    const ioasids = yield* app.open('/dev/ioasid');
    s.expect('The disk is bound.', yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids }), 0);
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    s.expect('It is attached.', yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);
    const map = (vaddr: bigint, iova: bigint, size: number) =>
      app.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags: READ | WRITE, vaddr, iova, size: BigInt(size) });

    s.step('It maps memory for queues, and brings the disk up: admin queues, then a pair of I/O queues.');
    const queues = yield* app.mmap(NVME_QUEUE_BYTES);
    s.expect('The queues are mapped.', yield* map(queues, QUEUES, NVME_QUEUE_BYTES), 0);
    const disk = yield* s.nvme(app, device, { address: queues, iova: QUEUES });

    s.step('It maps a buffer for the file, but for one page in the middle, and the first of two pages of a PRP list.');
    const HOLE = 4 * PAGE;
    const buffer = yield* app.mmap(FILE.bytes);
    const lists = yield* app.mmap(2 * PAGE);
    const afterHole = HOLE + PAGE;
    s.expect('The pages before it.', yield* map(buffer, BUFFER, HOLE), 0);
    const rest = yield* map(buffer + BigInt(afterHole), BUFFER + BigInt(afterHole), FILE.bytes - afterHole);
    s.expect('The pages behind it.', rest, 0);
    s.expect('The first page of the list.', yield* map(lists, LIST, PAGE), 0);
    const list = { address: lists + LIST_START, iova: LIST + LIST_START };
    const read = () => disk.read(FILE.block, FILE.bytes, { iova: BUFFER, list });

    s.step('The disk is to read the file. It finds 3 pages in the list, and a pointer to the next page of the list.');
    s.expect('The read of that page is refused, and so the command fails.', yield* read(), {
      ok: false,
      error: 'DATA_TRANSFER_ERROR',
    });
    s.expect('Nothing was written.', app.read(buffer, 16), new Uint8Array(16));
    yield us(20);
    s.expect('The fault is on record: a read of the list.', faults(), [['disk0', 'read', LIST + BigInt(PAGE)]]);

    s.step('The process maps the rest of the list, and tries again.');
    s.expect('It is mapped.', yield* map(lists + BigInt(PAGE), LIST + BigInt(PAGE), PAGE), 0);
    s.expect('The command succeeds.', yield* read(), { ok: true });
    yield us(20);

    s.step(
      'The disk believes that all is well. But the page that is not mapped was to be written, and nobody answers writes.',
    );
    s.expect('The file has a hole.', app.read(buffer + BigInt(HOLE), PAGE), new Uint8Array(PAGE));
    const [record, ...more] = faults();
    s.expect('The IOMMU has seen it.', record, ['disk0', 'write', BUFFER + BigInt(HOLE)]);
    s.check(
      'It says nothing else.',
      more.every((other) => String(other) === String(record)),
    );

    s.step('It maps the last page, and has only that part read again: one page, without a list.');
    s.expect('It is mapped.', yield* map(buffer + BigInt(HOLE), BUFFER + BigInt(HOLE), PAGE), 0);
    const missing = { block: FILE.block + HOLE / BLOCK, iova: BUFFER + BigInt(HOLE) };
    s.expect('The command succeeds.', yield* disk.read(missing.block, PAGE, { iova: missing.iova }), { ok: true });
    const found = new Uint8Array(FILE.bytes);
    for (let at = 0; at < FILE.bytes; at += PAGE) found.set(app.read(buffer + BigInt(at), PAGE), at);
    s.expect('The file is whole: these are the bytes that are on the disk.', found, contents);
    yield us(20);
    s.expect('Nothing was refused.', faults(), []);

    function faults() {
      return s.faults().map(({ device: who, access, address }) => [who, access, address]);
    }
  },
});
