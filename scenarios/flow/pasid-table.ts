/**
 * Flow 4.5 of the proposal with a PASID table of the guest's own (b): hardware finds it, and all that it leads to, at addresses of
 * the parent space. Version 1 has each space that it leads to bound as well, and keeps track of it.
 */
import {
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_FAULT,
  IOASID_INVALIDATE_CACHE,
  IOMMU_FAULT,
  IOMMU_INVALIDATE_CACHE,
  IoasidFormat,
  IoasidGranularity,
  IommuCache,
  IommuFormat,
  IommuGranularity,
  IommuInvalidateFlag,
  IommuIoasidFlag,
  type Script,
  type Stage,
  VFIO_ATTACH_IOASID,
} from '../../src/index.ts';
import { User, type Version } from './user.ts';

const PAGE = 0x1000;
const PAGES = 10;
/** The guest's pages: its PASID table (AMD's GCR3 table), one table of each level, two pages for data. */
const PASID_TABLE = 0x1000n;
const TABLES = [0x2000n, 0x3000n, 0x4000n, 0x5000n] as const;
const DATA = 0x6000n;
const OTHER = 0x7000n;
/** Where the guest's process has its data, and where it has nothing. */
const GVA = 0x4000n;
const NOTHING = 0x9000n;
const PASID = 5;
const PASID_BITS = 9;
/** Of a GCR3 entry: V. Of an x86 entry: present, writable, for user space. */
const VALID = 1n;
const OPEN = 7n;
/** A program waits so long for a fault, in nanoseconds. */
const PATIENCE = 1_000_000;
const OF_PASID = { flags: IommuInvalidateFlag.VPASID, vpasid: PASID };

export function* guestPasidTable(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  user.pasid = PASID;
  s.step('A VMM takes a device for a guest, whose memory begins at address 0 of a space.');
  yield* user.open('dma0');
  s.expect('dma0 is bound.', yield* user.bind('dma0'), 0);
  const gpa = yield* user.alloc();
  s.expect('It is attached.', yield* user.attach('dma0', gpa), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  s.expect('The guest’s memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
  const engine = yield* s.dmaEngine(program, user.fdOf('dma0'));
  const text = new TextEncoder().encode('of a process');
  const read = (address: bigint) => engine.read(address, text.length, { pasid: PASID });
  program.write(vaddr + DATA, text);

  s.step(`The guest writes a PASID table of its own. PASID ${PASID} leads to the page table of one of its processes.`);
  const write = (table: bigint, index: bigint, entry: bigint): void => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, entry, true);
    program.write(vaddr + table + index * 8n, bytes);
  };
  const [top, ...lower] = TABLES;
  let above: bigint = top;
  for (const table of lower) {
    write(above, 0n, table | OPEN);
    above = table;
  }
  const lead = (to: bigint): void => write(TABLES[3], GVA >> 12n, to | OPEN);
  lead(DATA);
  write(PASID_TABLE, BigInt(PASID), top | VALID);

  s.step('The VMM says where it is. From now on the table stands for all PASIDs of the device.');
  const pasids = yield* nestTable(user, gpa);
  s.check('There is a space for it.', pasids > 0);
  const { device: entries, stages } = s.look.tables('dma0', GVA, PASID);
  const fieldOf = (name: string) => entries.flatMap(({ fields }) => fields).find((field) => field.name === name)?.value;
  s.expect('The device’s entry has a guest table: GV.', Number(fieldOf('GV')), 1);
  s.expect('Bits 14:12 of its root are those of an address of the guest.', Number(fieldOf('GCR3_14_12')), 1);
  s.expect('The process’s table leads to a page of the guest.', stages[0]?.page?.to, DATA);
  s.expect('The parent’s leads on to memory.', stages[1]?.page?.to, s.look.physical(program, vaddr + DATA));
  s.expect('Without a PASID the device is where it was.', yield* engine.read(DATA, text.length), {
    ok: true,
    data: text,
  });
  s.expect('With it, it reads for the process.', yield* read(GVA), { ok: true, data: text });

  const gva = version === 1 ? yield* track(user, gpa, pasids) : pasids;

  s.step('The guest leads its process’s page elsewhere, and says so.');
  const other = new TextEncoder().encode('another page');
  program.write(vaddr + OTHER, other);
  lead(OTHER);
  s.expect('Nobody has told hardware.', yield* read(GVA), { ok: true, data: text });
  s.expect('It forgets the page.', yield* forgetPage(user, gva), 0);
  s.expect('The device reads the other page.', yield* read(GVA), { ok: true, data: other });

  s.step('The process goes on where it has nothing.');
  s.expect('The device reaches nothing.', (yield* read(NOTHING)).ok, false);
  s.expect('There is a fault to read.', yield* program.poll(user.fd, PATIENCE), 1);
  const fault = yield* readFault(user);
  if (version === 1) s.expect('It is told of the process’s space.', [fault.ioasid, fault.addr], [gva, NOTHING]);
  else s.expect('It is told with the PASID.', [fault.ioasid, fault.addr, fault.vpasid], [pasids, NOTHING, PASID]);

  s.step('The process ends. The guest clears the entry of its PASID, and says so.');
  if (version === 1) s.expect('The process’s space is detached.', yield* user.detach('dma0', gva), 0);
  write(PASID_TABLE, BigInt(PASID), 0n);
  s.expect('Nobody has told hardware.', (yield* read(GVA)).ok, true);
  s.expect('It forgets the PASID.', yield* forgetPasid(user, pasids), 0);
  s.expect('The PASID leads nowhere.', (yield* read(GVA)).ok, false);

  s.step('The VMM takes the table away.');
  s.expect('It is detached.', yield* user.detach('dma0', pasids), 0);
  s.expect('The device is back in the parent.', yield* engine.read(OTHER, other.length), { ok: true, data: other });
}

/** The space of the guest's PASID table, which the device is attached to. */
function* nestTable(user: User, gpa: number): Script<number> {
  const { stage: s, program, fd } = user;
  if (user.version === 2) {
    const pasids = yield* user.alloc({
      flags: IommuIoasidFlag.USER_PASID_TABLE,
      type: 0,
      parent_ioasid: gpa,
      addr: PASID_TABLE,
      format: IommuFormat.AMD_GCR3,
      addr_width: PASID_BITS,
    });
    s.expect('dma0 is attached.', yield* user.attach('dma0', pasids), 0);
    return pasids;
  }
  const pasids = yield* nest(user, gpa);
  s.expect('dma0 is attached.', yield* user.attach('dma0', pasids), 0);
  const format = { vendor: IoasidFormat.AMD_GCR3, size: PASID_BITS, address_width: 48 };
  const table = { child_ioasid: pasids, addr: PASID_TABLE, ...format };
  const call = program.ioctl(fd, IOASID_BIND_PASID_TABLE, table);
  s.expect('It is bound.', yield* user.told('ioasid_fd: IOASID_BIND_PASID_TABLE', call, ['dma0'], GVA), 0);
  return pasids;
}

/** Version 1 wants each space behind the table to be bound by itself: the kernel writes nothing for it, and keeps track. */
function* track(user: User, gpa: number, pasids: number): Script<number> {
  const { stage: s, program, fd } = user;
  s.step('Version 1 has the VMM bind the process’s table, too. The guest’s entry leads there already.');
  const gva = yield* nest(user, gpa);
  s.check('It is another space.', gva > pasids);
  const attach = program.ioctl(user.fdOf('dma0'), VFIO_ATTACH_IOASID, { ioasid: gva, flags: 1, user_pasid: PASID });
  s.expect('dma0 is attached by the PASID.', yield* user.told('dma0_fd: VFIO_ATTACH_IOASID', attach, ['dma0']), 0);
  const table = { child_ioasid: gva, addr: TABLES[0], vendor: IoasidFormat.X86, address_width: 48 };
  const bind = program.ioctl(fd, IOASID_BIND_PGTABLE, table);
  s.expect('It is bound.', yield* user.told('ioasid_fd: IOASID_BIND_PGTABLE', bind, ['dma0'], GVA), 0);
  return gva;
}

function nest(user: User, parent_ioasid: number): Script<number> {
  const call = user.program.ioctl(user.fd, IOASID_CREATE_NESTING, { parent_ioasid });
  return user.told(`ioasid_fd: IOASID_CREATE_NESTING(${parent_ioasid})`, call);
}

/** One page of the process: in version 1 of its space, in version 2 of its PASID. */
function forgetPage(user: User, child_ioasid: number): Script<number> {
  const { version, program, fd } = user;
  const range = { granularity: IoasidGranularity.RANGE, iova: GVA, size: BigInt(PAGE) };
  const call =
    version === 1
      ? program.ioctl(fd, IOASID_INVALIDATE_CACHE, { child_ioasid, ...range })
      : program.ioctl(fd, IOMMU_INVALIDATE_CACHE, {
          child_ioasid,
          ...OF_PASID,
          cache: IommuCache.IOTLB,
          granularity: IommuGranularity.ADDR,
          addr: GVA,
          granule_size: BigInt(PAGE),
          nb_granules: 1n,
        });
  return user.told(`INVALIDATE_CACHE(${child_ioasid}, one page)`, call);
}

/** The entry of the process's PASID; version 1 knows the whole table only. */
function forgetPasid(user: User, child_ioasid: number): Script<number> {
  const { version, program, fd } = user;
  const entry = { ...OF_PASID, cache: IommuCache.PASID, granularity: IommuGranularity.PASID };
  const call =
    version === 1
      ? program.ioctl(fd, IOASID_INVALIDATE_CACHE, { child_ioasid, granularity: IoasidGranularity.ALL })
      : program.ioctl(fd, IOMMU_INVALIDATE_CACHE, { child_ioasid, ...entry });
  return user.told(`INVALIDATE_CACHE(${child_ioasid}, ${version === 1 ? 'all' : 'a PASID'})`, call);
}

interface Fault {
  readonly ioasid: number;
  readonly addr: bigint;
  readonly vpasid: number;
}

function* readFault({ version, program, fd }: User): Script<Fault> {
  const struct = version === 1 ? IOASID_FAULT : IOMMU_FAULT;
  const bytes = yield* program.readFile(fd, struct.bytes);
  if (typeof bytes === 'number') throw new Error(`there is no fault to read: ${bytes}`);
  return struct.decode(bytes);
}
