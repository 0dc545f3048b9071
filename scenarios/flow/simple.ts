/** Flow 4.1 of the proposal: a device, an I/O address space, a mapping; then the second device. */
import { IOMMU_CHECK_EXTENSION, IoasidExtension, type Script, type Stage } from '../../src/index.ts';
import { expectEntry, expectPage, expectRefused, leafOf, rootOf } from './expect.ts';
import { User, type Version } from './user.ts';

/** The guest's memory begins at 0, as the proposal has it: a few pages, where the proposal has a gigabyte. */
const GPA = 0n;
const PAGES = 3;
/** A page for reading only, in the same table of last entries. */
const ROM = 0x8000n;
const READ_ONLY = 1;
const PAGE = 0x1000;

export function* simpleAssignment(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step('The process opens the devices and the descriptor behind which its I/O address spaces will be.');
  yield* user.open('dma0', 'dma1');
  s.check('All are open.', user.fd >= 0 && user.fdOf('dma0') >= 0 && user.fdOf('dma1') >= 0);

  s.step('It binds the first device.');
  s.expect('dma0 is bound.', yield* user.bind('dma0'), 0);
  const engine = yield* s.dmaEngine(program, user.fdOf('dma0'));
  expectEntry(s, 'dma0', 'blocked');
  yield* expectRefused(s, 'Nothing is mapped for it, so it reaches nothing.', engine, GPA);
  if (version === 2) {
    const known = yield* program.ioctl(user.fd, IOMMU_CHECK_EXTENSION, IoasidExtension.MAP_TYPE1V2);
    s.expect('The kernel knows type1’s way of mapping, version 2.', known, 1);
  }

  s.step('It allocates an I/O address space for what the guest takes for physical addresses, and attaches the device.');
  const gpa = yield* user.alloc();
  s.check('It has a number.', gpa > 0);
  s.expect('dma0 is attached.', yield* user.attach('dma0', gpa), 0);
  expectEntry(s, 'dma0', 'kernel');
  const empty = s.look.tables('dma0', GPA).stages.map(({ page }) => page);
  s.expect('The table is empty.', empty, [null]);

  s.step('It maps memory: from the guest’s address 0 on, and one page that devices may only read.');
  const vaddr = yield* program.mmap(PAGES * PAGE);
  const rom = yield* program.mmap(PAGE);
  s.expect('It is mapped.', yield* user.map({ ioasid: gpa, iova: GPA, vaddr, pages: PAGES }), 0);
  const readOnly = { ioasid: gpa, iova: ROM, vaddr: rom, pages: 1, flags: READ_ONLY };
  s.expect('The other page is, too.', yield* user.map(readOnly), 0);
  expectPage(s, { device: 'dma0', iova: GPA + 0x2000n, program, vaddr: vaddr + 0x2000n, write: true });
  expectPage(s, { device: 'dma0', iova: ROM, program, vaddr: rom, write: false });

  s.step('The second device: bind and attach again, with the same space.');
  s.expect('dma1 is bound.', yield* user.bind('dma1'), 0);
  s.expect('dma1 is attached.', yield* user.attach('dma1', gpa), 0);
  s.expect('Both devices’ entries name one table.', rootOf(s, 'dma1'), rootOf(s, 'dma0'));
  s.expect('One word leads both to the page.', leafOf(s, 'dma1', ROM), leafOf(s, 'dma0', ROM));

  s.step('dma0 writes, dma1 reads.');
  const other = yield* s.dmaEngine(program, user.fdOf('dma1'));
  const hello = new TextEncoder().encode('hello, guest');
  yield* engine.write(GPA + 0x2000n, hello);
  s.expect('The guest’s memory has it.', program.read(vaddr + 0x2000n, hello.length), hello);
  s.expect('dma1 has it, too.', yield* other.read(GPA + 0x2000n, hello.length), { ok: true, data: hello });

  s.step('The process unmaps the memory again. The page for reading stays.');
  const leaf = leafOf(s, 'dma0', GPA + 0x2000n);
  s.expect('It is unmapped.', yield* user.unmap({ ioasid: gpa, iova: GPA, pages: PAGES }), 0);
  s.expect('The word that led there is 0.', s.look.word(leaf), 0n);
  for (const device of [engine, other]) {
    yield* expectRefused(s, 'The device reaches it no more.', device, GPA + 0x2000n);
  }
  s.expect('The other page is still there.', (yield* other.read(ROM, 4)).ok, true);

  s.step('It detaches both devices and frees the space.');
  for (const device of ['dma0', 'dma1'] as const) s.expect(`${device} is out.`, yield* user.detach(device, gpa), 0);
  s.expect('The space is gone.', yield* user.free(gpa), 0);
  for (const device of ['dma0', 'dma1']) expectEntry(s, device, 'blocked');
}
