/** A command that outlives its owner: the device acts when the memory behind its address has become somebody else's. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  NVME_QUEUE_BYTES,
  type Program,
  type Script,
  type Stage,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const PAGE = 0x1000;
/** What the first process has read from the disk: it was free to write it there. */
const FILE = { block: 2048, bytes: PAGE, seed: 7 };
const contents = Uint8Array.from({ length: PAGE }, (_, i) => i * 7 + Math.floor(i / 512) + FILE.seed);
const ACCOUNTS = new TextEncoder().encode('the accounts of the second process');

const QUEUES = 0x10_0000n;
/** Both processes use this address, each in an address space of its own. */
const BUFFER = 0x20_0000n;
/** Microseconds until the disk has found a block. */
const ACCESS = 300;

export default scenario({
  name: '38-deferred-dma',
  title: 'A command outlives its owner',
  question:
    'A process has a disk, starts a read and ends. The disk goes to another process. Whose memory is read into?',
  look: [
    'The IOMMU does in both acts exactly what it was told: requests of this disk go through the table of whoever has it now.',
    'In the first act the data arrive where the second process has mapped something at the same address. Only the disk’s report has no place, and that is a fault.',
    'Bus mastering is off while nobody has the disk. That does not help: it is on again when the blocks are found.',
    'In the second act the kernel resets the disk (function-level reset) before it takes the memory back. That takes 100 ms, because the PCI Express specification grants a device that long.',
  ],
  next: [
    'Make ACCESS 10. Now the data come while nobody has the disk. What becomes of them?',
    'Let the second process bring the disk up (s.nvme) at once. Why does that help, too, and why must the kernel not rely on it?',
    'Run it with --machine intel-scalable --set kernel.invalidate=none. Does the reset still help?',
  ],
  kernel: { deviceReset: 'never' },
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [{ name: 'disk0', model: 'nvme', at: 'port0:00.0', files: [FILE], access: ACCESS * 1000 }],
  },

  *run(s) {
    s.note('First act: a kernel that takes a device back as it is.');
    const careless = yield* handOver(s);
    s.expect('The second process has the data of the first.', careless.memory, contents.slice(0, ACCOUNTS.length));
    s.expect('All that was blocked is the report that nobody waits for.', careless.blocked, [QUEUES + 0x3000n]);

    s.note('Second act: the same programs under a kernel that resets what it takes back.');
    yield* s.reboot({ deviceReset: 'release' });
    const careful = yield* handOver(s);
    s.expect('The second process finds its memory as it was.', careful.memory, ACCOUNTS);
    s.expect('Nothing was blocked: the disk has nothing to do.', careful.blocked, []);
  },
});

/** One act: what the second process finds in its page in the end, and the addresses that were blocked. */
function* handOver(s: Stage): Script<{ memory: Uint8Array; blocked: bigint[] }> {
  const first = s.process('first');
  const second = s.process('second');

  s.step('A process brings the disk up and lets it read a page. The disk has to look for it.');
  const old = yield* take(first);
  const queues = yield* old.map(QUEUES, NVME_QUEUE_BYTES);
  yield* old.map(BUFFER, PAGE);
  const disk = yield* s.nvme(first, old.device, { address: queues, iova: QUEUES });
  const reading = s.machine.engine.spawn(disk.read(FILE.block, PAGE, { iova: BUFFER }), 'a read that is under way');
  yield us(20);

  s.step('It does not wait: it closes the disk. Its I/O address space is gone with that.');
  s.expect('The disk is closed.', yield* first.close(old.device), 0);

  s.step('Another process takes the disk, and maps a page of its own for what it is going to read.');
  const fresh = yield* take(second);
  const page = yield* fresh.map(BUFFER, PAGE);
  second.write(page, ACCOUNTS);

  s.step('It has not told the disk anything yet when the blocks are found.');
  yield us(2 * ACCESS);
  yield* s.join(reading);
  const blocked = s.faults().map(({ address }) => address);
  return { memory: second.read(page, ACCOUNTS.length), blocked };
}

/** A process has taken the disk, and attached it to an empty I/O address space. */
function* take(app: Program) {
  const device = yield* app.open('/dev/vfio/devices/disk0');
  const ioasids = yield* app.open('/dev/ioasid');
  yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
  yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
  return {
    device,
    /** Memory of the process, and the same for the disk at `iova`. */
    *map(iova: bigint, bytes: number): Script<bigint> {
      const vaddr = yield* app.mmap(bytes);
      const mapping = { ioasid, flags: READ | WRITE, vaddr, iova, size: BigInt(bytes) };
      yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping);
      return vaddr;
    },
  };
}
