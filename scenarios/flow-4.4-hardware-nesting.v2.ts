/** Flow 4.4 of the proposal: the guest’s own table, which hardware walks within the parent’s. */
import {
  IOMMU_INVALIDATE_CACHE,
  IommuCache,
  IommuFormat,
  IommuGranularity,
  IommuIoasidFlag,
  scenario,
} from '../src/index.ts';
import { rootOf } from './flow/expect.ts';
import { User } from './flow/user.ts';

const PAGES = 8;
const PAGE = 0x1000;
/** Where the guest has its tables, one of each level, and two pages for data; all of them in the parent space. */
const TABLES = [0x1000n, 0x2000n, 0x3000n, 0x4000n] as const;
const DATA = 0x5000n;
const OTHER = 0x6000n;
/** In the table: entries 1, 2, 3 and 4 of the four levels, from the top (SDM 3A 4.5: 9 bits each from bit 39, 30, 21, 12). */
const INDICES = [1n, 2n, 3n, 4n] as const;
const GIOVA = (1n << 39n) | (2n << 30n) | (3n << 21n) | (4n << 12n);
/** Present, writable, for user space. */
const ENTRY = 0x7n;

export default scenario({
  name: 'flow-4.4-hardware-nesting.v2',
  title: 'Hardware nesting (version 2)',
  question: 'What does the kernel still do when a guest writes the I/O page table itself?',
  look: [
    'The device’s entry names two tables: the guest’s, by an address of the parent space, and the parent’s. The kernel reads nothing of the guest’s.',
    'Each entry of the guest’s table is found through the parent’s: one DMA reads up to 24 entries.',
    'The guest has changed an entry, and the device may go on as before until the guest says so.',
  ],
  next: ['Leave out the invalidation. Who is hurt: the host, or the guest alone?'],
  machine: 'intel-scalable',
  needs: ['nesting'],

  *run(s) {
    const user = new User(s, 2);
    const { program } = user;
    s.step('A process stands for the VMM and its guest: it maps memory in a space for the guest’s physical addresses.');
    yield* user.open('dma0', 'dma1');
    for (const device of ['dma0', 'dma1'] as const) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
    const gpa = yield* user.alloc();
    for (const device of ['dma0', 'dma1'] as const) {
      s.expect(`${device} is attached.`, yield* user.attach(device, gpa), 0);
    }
    const vaddr = yield* program.mmap(PAGES * PAGE);
    s.expect('Memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
    const parent = rootOf(s, 'dma0');

    s.step('The guest writes an x86 table of four levels into its memory, with one page in it.');
    const write = (level: number, value: bigint): void => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      program.write(vaddr + TABLES[level]! + INDICES[level]! * 8n, bytes);
    };
    for (let level = 0; level < 3; level++) write(level, TABLES[level + 1]! | ENTRY);
    write(3, DATA | ENTRY);
    const text = new TextEncoder().encode('the guest’s own');
    program.write(vaddr + DATA, text);

    s.step('The VMM makes a space of this table, nested on the first, and attaches dma1.');
    const giova = yield* user.alloc({
      flags: IommuIoasidFlag.USER_PGTABLE,
      type: 0,
      parent_ioasid: gpa,
      addr: TABLES[0],
      format: IommuFormat.X86_4LEVEL,
      addr_width: 48,
    });
    s.check('It has a number.', giova > 0);
    s.expect('dma1 is attached.', yield* user.attach('dma1', giova), 0);
    s.expect('dma0 still has the parent’s table.', rootOf(s, 'dma0'), parent);
    const [own, below] = s.look.tables('dma1', GIOVA).stages;
    const guest = own?.entries.map(({ value }) => value & ~0x60n);
    s.expect('The first stage’s entries are the guest’s.', guest, [
      TABLES[1] | ENTRY,
      TABLES[2] | ENTRY,
      TABLES[3] | ENTRY,
      DATA | ENTRY,
    ]);
    s.expect('It leads to an address of the parent space.', own?.page?.to, DATA);
    const frame = s.look.physical(program, vaddr + DATA);
    s.expect('The second stage leads from there to the process’s page.', below?.page?.to, frame);
    const [, common] = s.look.tables('dma1', GIOVA).stages;
    const leaf = s.look.tables('dma0', DATA).stages.at(-1)?.entries.at(-1)?.address;
    s.expect('The second stage is the table of the parent space.', common?.entries.at(-1)?.address, leaf);

    s.step('The device reads by the guest’s address.');
    const engine = yield* s.dmaEngine(program, user.fdOf('dma1'));
    s.expect('It gets the guest’s bytes.', yield* engine.read(GIOVA, text.length), { ok: true, data: text });

    s.step('The guest lets its entry lead to another page, and has the caches forget the old one.');
    const other = new TextEncoder().encode('another page');
    program.write(vaddr + OTHER, other);
    write(3, OTHER | ENTRY);
    const range = { addr: GIOVA, granule_size: 0x1000n, nb_granules: 1n };
    const what = { child_ioasid: giova, granularity: IommuGranularity.ADDR, cache: IommuCache.IOTLB, ...range };
    const call = program.ioctl(user.fd, IOMMU_INVALIDATE_CACHE, what);
    s.expect(
      'Hardware has forgotten it.',
      yield* user.told('iommu_fd: IOMMU_INVALIDATE_CACHE(range)', call, ['dma1'], GIOVA),
      0,
    );
    s.expect('The device reads the other page.', yield* engine.read(GIOVA, other.length), { ok: true, data: other });

    s.step('The guest clears its entry, and has everything forgotten.');
    write(3, 0n);
    const all = { child_ioasid: giova, granularity: IommuGranularity.DOMAIN, cache: IommuCache.IOTLB };
    const forget = program.ioctl(user.fd, IOMMU_INVALIDATE_CACHE, all);
    s.expect('Hardware has.', yield* user.told('iommu_fd: IOMMU_INVALIDATE_CACHE(all)', forget, ['dma1'], GIOVA), 0);
    s.expect('The device reaches nothing.', (yield* engine.read(GIOVA, 4)).ok, false);

    s.step('The guest’s table leads out of its memory: the parent’s stops the device.');
    write(3, 0x10_0000n | ENTRY);
    s.expect('Hardware looks again.', yield* program.ioctl(user.fd, IOMMU_INVALIDATE_CACHE, all), 0);
    s.expect('The device reaches nothing.', (yield* engine.read(GIOVA, 4)).ok, false);

    s.step('dma1 leaves the nested space and is back in the parent.');
    s.expect('It is detached.', yield* user.detach('dma1', giova), 0);
    s.expect('Both devices have one table again.', rootOf(s, 'dma1'), parent);
    s.expect('It reads by the parent’s address.', yield* engine.read(OTHER, other.length), { ok: true, data: other });
    s.expect('The space is gone.', yield* user.free(giova), 0);
  },
});
