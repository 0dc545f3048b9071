/** Flow 4.4 of the proposal: the guest’s own table, which hardware walks within the parent’s. */
import {
  IOASID_GET_INFO,
  IOASID_UNBIND_PGTABLE,
  IoasidInfoFlag,
  type ScenarioDefinition,
  type Script,
  type Stage,
} from '../../src/index.ts';
import { expectEntry, expectRefused, rootOf } from './expect.ts';
import { asWritten, GIOVA, GuestTable } from './guest-table.ts';
import { bindTable, type GuestSpace, nestForTable } from './nest-table.ts';
import { User, type Version } from './user.ts';

const PAGES = 8;
const PAGE = 0x1000;
/** Where the guest has its tables, and two pages for data; all of them in the parent space. */
const TABLES = [0x1000n, 0x2000n, 0x3000n, 0x4000n] as const;
const DATA = 0x5000n;
const OTHER = 0x6000n;
const OUTSIDE = 0x10_0000n;
const DEVICES = ['dma0', 'dma1', 'dma2'] as const;

/** dma0 stays with the parent, dma1 asks the IOMMU each time, dma2 keeps translations. */
export const NESTING_HARDWARE: Pick<ScenarioDefinition, 'machine' | 'needs' | 'kernel' | 'hardware' | 'iotlb'> = {
  machine: 'intel-scalable',
  needs: ['nesting', 'ats'],
  kernel: { trustDevices: true },
  iotlb: { sets: 1, ways: 128 },
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: '00:01.0' },
      { name: 'dma1', model: 'dma-engine', at: '00:02.0' },
      { name: 'dma2', model: 'dma-engine', at: 'port0:00.0', deviceTlb: { sets: 16, ways: 4 } },
    ],
  },
};

export function* hardwareNesting(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step('A process stands for the VMM and its guest: it maps memory in a space for the guest’s physical addresses.');
  yield* user.open(...DEVICES);
  for (const device of DEVICES) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
  const gpa = yield* user.alloc();
  for (const device of DEVICES) s.expect(`${device} is attached.`, yield* user.attach(device, gpa), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  s.expect('Memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
  const parent = rootOf(s, 'dma0');

  s.step('The guest writes an x86 table of four levels into its memory, with one page in it.');
  const table = new GuestTable(program, vaddr, TABLES);
  table.lead(DATA);
  const text = new TextEncoder().encode('the guest’s own');
  program.write(vaddr + DATA, text);

  const giova = yield* nestTable(s, user, { parent: gpa, top: table.top });
  for (const device of ['dma1', 'dma2']) expectEntry(s, device, 'nested');
  s.expect('dma0 still has the parent’s table.', rootOf(s, 'dma0'), parent);
  const [own, below] = s.look.tables('dma1', GIOVA).stages;
  const guest = own?.entries.map(({ value }) => asWritten(value));
  s.expect('The first stage’s entries are the guest’s.', guest, table.wayTo(DATA));
  s.expect('It leads to an address of the parent space.', own?.page?.to, DATA);
  const frame = s.look.physical(program, vaddr + DATA);
  s.expect('The second stage leads from there to the process’s page.', below?.page?.to, frame);
  const leaf = s.look.tables('dma0', DATA).stages.at(-1)?.entries.at(-1)?.address;
  s.expect('The second stage is the table of the parent space.', below?.entries.at(-1)?.address, leaf);

  s.step('Both devices read by the guest’s address. dma2 asks where that is, and keeps the answer.');
  const plain = yield* s.dmaEngine(program, user.fdOf('dma1'));
  const keeping = yield* s.dmaEngine(program, user.fdOf('dma2'));
  for (const engine of [keeping, plain]) {
    s.expect('It gets the guest’s bytes.', yield* engine.read(GIOVA, text.length), { ok: true, data: text });
  }
  const { hits } = s.iotlb();
  const { hits: own2 } = s.deviceTlb('dma2');

  s.step('The guest lets its entry lead to another page, and tells nobody: memory says one thing, two caches another.');
  const other = new TextEncoder().encode('another page yet');
  program.write(vaddr + OTHER, other);
  table.lead(OTHER);
  const stale = { ok: true, data: text };
  s.expect('dma1 still gets the old page.', yield* plain.read(GIOVA, text.length), stale);
  s.expect('The IOTLB had it.', s.iotlb().hits, hits + 1);
  s.expect('dma2 does, too.', yield* keeping.read(GIOVA, text.length), stale);
  s.expect('The IOMMU was not asked: the device’s own TLB had it.', s.deviceTlb('dma2').hits, own2 + 1);
  s.expect('Nor does it see a stale address in what comes: it is translated already.', s.iotlb().hits, hits + 1);

  s.step('The guest has both forget the page. The kernel passes that on, to the IOMMU and to dma2.');
  s.expect('Hardware has forgotten it.', yield* user.forget(giova, GIOVA), 0);
  const fresh = { ok: true, data: other };
  s.expect('dma1 reads the other page.', yield* plain.read(GIOVA, other.length), fresh);
  s.expect('So does dma2.', yield* keeping.read(GIOVA, other.length), fresh);

  s.step('The guest clears its entry, and has everything forgotten.');
  table.lead(null);
  s.expect('Hardware has.', yield* user.forget(giova), 0);
  yield* expectRefused(s, 'dma1 reaches nothing.', plain, GIOVA);
  yield* expectRefused(s, 'Nor does dma2.', keeping, GIOVA);

  s.step('The guest’s table leads out of its memory: the parent’s stops the device.');
  table.lead(OUTSIDE);
  s.expect('Hardware looks again.', yield* user.forget(giova), 0);
  yield* expectRefused(s, 'dma1 reaches nothing.', plain, GIOVA);

  s.step('Both leave the nested space and are back in the parent.');
  if (version === 1) {
    const call = program.ioctl(user.fd, IOASID_UNBIND_PGTABLE, { ioasid: giova });
    s.expect(
      'The table is unbound.',
      yield* user.told(`ioasid_fd: IOASID_UNBIND_PGTABLE(${giova})`, call, ['dma1']),
      0,
    );
    expectEntry(s, 'dma1', 'kernel');
    yield* expectRefused(s, 'In its place is an empty one.', plain, GIOVA);
  }
  for (const device of ['dma1', 'dma2']) s.expect(`${device} is detached.`, yield* user.detach(device, giova), 0);
  s.expect('All have one table again.', [rootOf(s, 'dma1'), rootOf(s, 'dma2')], [parent, parent]);
  s.expect('dma1 reads by the parent’s address.', yield* plain.read(OTHER, other.length), fresh);
  s.expect('So does dma2.', yield* keeping.read(OTHER, other.length), fresh);
  s.expect('The space is gone.', yield* user.free(giova), 0);
}

/** A nested space with a table of the guest’s, and dma1 and dma2 attached to it. */
function* nestTable(s: Stage, user: User, space: GuestSpace): Script<number> {
  const { program, version } = user;
  const nested = ['dma1', 'dma2'];
  s.step(
    version === 2
      ? 'The VMM makes a space of this table, nested on the first, and attaches dma1 and dma2.'
      : 'The VMM makes a nested space and attaches dma1 and dma2. Whose table it has is not said yet.',
  );
  if (version === 1) {
    const { value } = yield* program.exchange(user.fd, IOASID_GET_INFO, { ioasid: space.parent });
    const can = (value.flags & IoasidInfoFlag.HARDWARE_NESTING) !== 0;
    s.check('IOASID_GET_INFO says that hardware can walk one table within another.', can);
  }
  const giova = yield* nestForTable(user, space);
  s.check('It has a number.', giova > 0);
  for (const device of nested) s.expect(`${device} is attached.`, yield* user.attach(device, giova), 0);
  if (version === 2) return giova;
  for (const device of nested) expectEntry(s, device, 'kernel');
  s.expect('There is nothing to invalidate in a table of the kernel.', yield* user.forget(giova), -22);

  s.step('It binds the guest’s table: each attached device’s entry changes, by one call.');
  s.expect('It is bound.', yield* bindTable(user, giova, space.top, GIOVA), 0);
  const mapping = { ioasid: giova, iova: 0n, vaddr: 0n, pages: 1 };
  s.expect('Nobody maps in a table of the guest.', yield* user.map(mapping), -22);
  return giova;
}
