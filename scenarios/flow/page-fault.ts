/** Flow 4.6 of the proposal: a device asks for a page, and a program answers. */
import {
  IoasidFaultFlag,
  IoasidFaultPermission,
  type ScenarioDefinition,
  type Script,
  type Stage,
} from '../../src/index.ts';
import { expectEntry, expectPage } from './expect.ts';
import { answer, type FaultRecord, nextFault } from './faults.ts';
import { asWritten, GIOVA, GuestTable } from './guest-table.ts';
import { bindTable, nestForTable } from './nest-table.ts';
import { User, type Version } from './user.ts';

const PAGES = 8;
const PAGE = 0x1000;
/** Mapped when it is asked for, and never. */
const LATER = 0x20_0000n;
const NEVER = 0x30_0000n;
/** In the guest's memory. */
const TABLES = [0x1000n, 0x2000n, 0x3000n, 0x4000n] as const;
const DATA = 0x5000n;

export const FAULTING_HARDWARE: Pick<ScenarioDefinition, 'machine' | 'needs' | 'kernel' | 'hardware'> = {
  machine: 'intel-scalable',
  needs: ['ats', 'page requests', 'nesting'],
  kernel: { trustDevices: true },
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [
      {
        name: 'dma0',
        model: 'dma-engine',
        at: 'port0:00.0',
        deviceTlb: { sets: 16, ways: 4 },
        pasidWidth: 20,
        pageRequests: 32,
      },
    ],
  },
};

const { RECOVERABLE, LAST_PAGE } = IoasidFaultFlag;
const { WRITE } = IoasidFaultPermission;

export function* pageFault(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step('A process takes a device that the kernel trusts: it may keep translations, and ask for pages.');
  yield* user.open('dma0');
  s.expect('dma0 is bound.', yield* user.bind('dma0'), 0);
  const gpa = yield* user.alloc();
  s.expect('It is attached.', yield* user.attach('dma0', gpa), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  s.expect('Memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
  const engine = yield* s.dmaEngine(program, user.fdOf('dma0'));
  /** Beside the story, as the device waits for the answer. */
  const start = (iova: bigint, data: Uint8Array) =>
    s.machine.engine.spawn(engine.write(iova, data, { requestPages: true }), 'a write that waits for its page');
  s.step('The device writes where nothing is mapped. It asks for the page, and waits.');
  const text = new TextEncoder().encode('it came when it was needed');
  const first = start(LATER, text);
  const asked = yield* expectRequest(user, gpa, LATER);
  s.expect('Meanwhile the device waits.', first.ended, false);

  s.step('The table is the kernel’s, so the process maps the page. Then it answers.');
  const late = yield* program.mmap(PAGE);
  s.expect('It is mapped.', yield* user.map({ ioasid: gpa, iova: LATER, vaddr: late, pages: 1 }), 0);
  expectPage(s, { device: 'dma0', iova: LATER, program, vaddr: late, write: true });
  s.check('The answer is taken.', (yield* answer(user, asked, 'SUCCESS')) > 0);
  s.expect('The device goes on.', (yield* s.join(first)).ok, true);
  s.expect('The process has what it wrote.', program.read(late, text.length), text);
  s.expect('A page request has one answer.', yield* answer(user, asked, 'SUCCESS'), -22);

  s.step('It asks for a page that it shall not have.');
  const second = start(NEVER, text);
  const refused = yield* expectRequest(user, gpa, NEVER);
  s.check('The answer is taken.', (yield* answer(user, refused, 'INVALID')) > 0);
  const failed = { ok: false, error: 'NO_TRANSLATION', faultAddress: NEVER };
  s.expect('The device gives up.', yield* s.join(second), failed);

  s.step('Now the process keeps the table itself, as a guest would: four levels in its memory, and no page yet.');
  const table = new GuestTable(program, vaddr, TABLES);
  table.lead(null);
  const giova = yield* nestForTable(user, { parent: gpa, top: table.top });
  s.expect('dma0 is attached to the nested space, too.', yield* user.attach('dma0', giova), 0);
  if (version === 1) s.expect('The table is bound.', yield* bindTable(user, giova, table.top, GIOVA), 0);
  expectEntry(s, 'dma0', 'nested');

  s.step('The device writes by an address of the guest.');
  const third = start(GIOVA, text);
  const missing = yield* expectRequest(user, giova, GIOVA);

  s.step('The process writes the entry in its own memory, without a call, and answers.');
  table.lead(DATA);
  s.check('The answer is taken.', (yield* answer(user, missing, 'SUCCESS')) > 0);
  s.expect('The device goes on.', (yield* s.join(third)).ok, true);
  s.expect('The guest has what it wrote.', program.read(vaddr + DATA, text.length), text);
  const [own] = s.look.tables('dma0', GIOVA).stages;
  const found = own?.entries.map(({ value }) => asWritten(value));
  s.expect('Hardware found the guest’s entries.', found, table.wayTo(DATA));

  s.step('It asks once more, and the process detaches it instead of answering. The kernel answers in its place.');
  const fourth = start(GIOVA + 0x1000n, text);
  const open = yield* expectRequest(user, giova, GIOVA + 0x1000n);
  s.expect('It is detached.', yield* user.detach('dma0', giova), 0);
  s.expect('The device has its answer: no.', (yield* s.join(fourth)).ok, false);
  s.expect('There is nothing left to answer.', yield* answer(user, open, 'SUCCESS'), -22);
  s.expect('Nor to read.', yield* program.poll(user.fd, 0), 0);
}

/** The next record is that of a write that waits: it says in which space and where, and in version 2 which device it was. */
function* expectRequest(user: User, ioasid: number, addr: bigint): Script<FaultRecord> {
  const { stage: s, version } = user;
  const record = yield* nextFault(user);
  if (record === undefined) throw new Error('there is no fault to read');
  const { flags, perm } = record;
  const found = { flags, perm, ioasid: record.ioasid, addr: record.addr };
  const known = { flags: RECOVERABLE | LAST_PAGE, perm: WRITE, ioasid, addr };
  s.expect('It tells the space, the page, and that the device wants to write.', found, known);
  if (version === 1) s.expect('It does not tell which device it was.', record.dev_cookie, undefined);
  else s.expect('It names the device by the cookie of its bind.', record.dev_cookie, user.cookieOf('dma0'));
  return record;
}
