/** Flow 4.3 of the proposal: the kernel merges a space and what it is nested on into one table. */
import { IOASID_GET_INFO, IoasidInfoFlag, IommuIoasidFlag, type Script, type Stage } from '../../src/index.ts';
import { expectEntry, expectPage, expectRefused, leafOf, rootOf } from './expect.ts';
import { User, type Version } from './user.ts';

const PAGES = 4;
const PAGE = 0x1000;
const GIOVA = 0x2000n;
const DEVICES = ['dma0', 'dma1'] as const;

export function* softwareNesting(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step('A VMM attaches two devices to what its guest takes for physical addresses.');
  yield* user.open(...DEVICES);
  for (const device of DEVICES) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
  const gpa = yield* user.alloc();
  if (version === 1) {
    const early = yield* user.nest(gpa);
    s.expect('Before a device is attached nobody knows what can be nested here.', early, -22);
  }
  for (const device of DEVICES) s.expect(`${device} is attached.`, yield* user.attach(device, gpa), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  s.expect('Memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
  const charged = s.look.locked(program);

  s.step('The guest’s IOMMU is on for dma1: a space nested on the first. The device stays attached to both.');
  if (version === 1) {
    const { value } = yield* program.exchange(user.fd, IOASID_GET_INFO, { ioasid: gpa });
    const can = (value.flags & IoasidInfoFlag.SOFTWARE_NESTING) !== 0;
    s.check('IOASID_GET_INFO says that the kernel merges.', can);
  }
  const giova = yield* user.nest(gpa);
  s.check('It has a number.', giova > 0);
  s.expect('dma1 is attached to the nested space, too.', yield* user.attach('dma1', giova), 0);
  expectEntry(s, 'dma1', 'kernel');
  s.check('It is another table now.', rootOf(s, 'dma1') !== rootOf(s, 'dma0'));
  s.expect('It cannot leave the parent before the child.', yield* user.detach('dma1', gpa), -16);

  s.step('The guest maps its page 0x1000 at 0x2000. The VMM hands on what the guest says.');
  s.expect('It is mapped.', yield* user.map({ ioasid: giova, iova: GIOVA, vaddr: 0x1000n, pages: 1 }), 0);
  s.expect('So is another one.', yield* user.map({ ioasid: giova, iova: 0x8000n, vaddr: 0n, pages: 1 }), 0);
  expectPage(s, { device: 'dma1', iova: GIOVA, program, vaddr: vaddr + 0x1000n, write: true });
  s.expect('Nothing more is charged.', s.look.locked(program), charged);
  const engine = yield* s.dmaEngine(program, user.fdOf('dma1'));
  const text = new TextEncoder().encode('merged');
  yield* engine.write(GIOVA, text);
  const back = yield* engine.read(GIOVA, text.length);
  s.expect('The device writes and reads there.', back, { ok: true, data: text });
  s.expect('It is in the guest’s memory.', program.read(vaddr + 0x1000n, text.length), text);

  s.step('The guest unmaps the page.');
  const leaf = leafOf(s, 'dma1', GIOVA);
  s.expect('It is unmapped.', yield* user.unmap({ ioasid: giova, iova: GIOVA, pages: 1 }), 0);
  s.expect('The word that led there is 0.', s.look.word(leaf), 0n);
  yield* expectRefused(s, 'The device reaches it no more.', engine, GIOVA);

  s.step('The VMM takes the memory out of the parent. The merged table loses it, too.');
  const merged = leafOf(s, 'dma1', 0x8000n);
  s.expect('It is unmapped.', yield* user.unmap({ ioasid: gpa, iova: 0n, pages: PAGES }), 0);
  s.expect('The merged table’s word is 0.', s.look.word(merged), 0n);
  yield* expectRefused(s, 'The device reaches nothing.', engine, 0x8000n);
  s.expect('Nothing is charged.', s.look.locked(program), charged - PAGES);
  s.expect('A space that another is nested on cannot be freed.', yield* user.free(gpa), -16);
  s.expect('dma1 leaves the child.', yield* user.detach('dma1', giova), 0);
  s.expect('Then the parent.', yield* user.detach('dma1', gpa), 0);
  s.expect('dma0 leaves, too.', yield* user.detach('dma0', gpa), 0);
  s.expect('The child is freed first.', yield* user.free(giova), 0);
  s.expect('Then the parent can be.', yield* user.free(gpa), 0);
  if (version === 2) yield* dummyRoot(s, user, vaddr);
}

/** Version 2's way to pin memory once for spaces that share no table. */
function* dummyRoot(s: Stage, user: User, vaddr: bigint): Script {
  const { program } = user;
  s.step(
    'Part two: devices that cannot share a table. A root for no device pins the memory, for two spaces nested on it.',
  );
  const dummy = yield* user.alloc({ flags: IommuIoasidFlag.DUMMY });
  s.expect('No device may use it itself.', yield* user.attach('dma0', dummy), -22);
  const memory = { ioasid: dummy, iova: vaddr, vaddr, pages: PAGES };
  s.expect('Its addresses are those of the process.', yield* user.map(memory), 0);
  const once = s.look.locked(program);
  for (const device of DEVICES) {
    const ioasid = yield* user.nest(dummy);
    s.expect(`${device} is attached.`, yield* user.attach(device, ioasid), 0);
    s.expect('The guest’s memory is mapped.', yield* user.map({ ioasid, iova: 0n, vaddr, pages: PAGES }), 0);
    expectPage(s, { device, iova: 0x3000n, program, vaddr: vaddr + 0x3000n, write: true });
  }
  s.check('Each device has a table of its own.', rootOf(s, 'dma0') !== rootOf(s, 'dma1'));
  s.expect('The memory is charged once.', s.look.locked(program), once);
}
