/** Flow 4.2 of the proposal: two spaces side by side, each with pages of its own; the VMM merges what a guest nests. */
import { IOASID_REGISTER_MEMORY, type Script, type Stage } from '../../src/index.ts';
import { expectEntry, expectPage, expectRefused, leafOf, rootOf } from './expect.ts';
import { User, type Version } from './user.ts';

const PAGES = 4;
const PAGE = 0x1000;
const GIOVA = 0x2000n;

export function* severalSpaces(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step('A VMM takes two devices for a guest.');
  yield* user.open('dma0', 'dma1');
  for (const device of ['dma0', 'dma1'] as const) s.expect(`${device} is bound.`, yield* user.bind(device), 0);

  s.step('Until the guest has its own IOMMU running, both devices use what the guest takes for physical addresses.');
  const gpa = yield* user.alloc();
  for (const device of ['dma0', 'dma1'] as const)
    s.expect(`${device} is attached.`, yield* user.attach(device, gpa), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  if (version === 1) {
    const call = program.ioctl(user.fd, IOASID_REGISTER_MEMORY, { vaddr, size: BigInt(PAGES * PAGE) });
    s.expect('The guest’s memory is registered.', yield* user.told('ioasid_fd: IOASID_REGISTER_MEMORY', call), 0);
    s.expect('Registering charges it.', s.look.locked(program), PAGES);
  }
  s.expect('The guest’s memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
  s.expect('Both use one table.', rootOf(s, 'dma1'), rootOf(s, 'dma0'));
  s.expect('Each of its pages is charged.', s.look.locked(program), PAGES);

  s.step(
    'The guest turns its IOMMU on for dma1. The VMM makes a second space, without a parent, and moves the device.',
  );
  const giova = yield* user.alloc();
  s.expect('dma1 leaves the first space.', yield* user.detach('dma1', gpa), 0);
  expectEntry(s, 'dma1', 'blocked');
  s.expect('It enters the second.', yield* user.attach('dma1', giova), 0);
  s.check('Its table is another one.', rootOf(s, 'dma1') !== rootOf(s, 'dma0'));

  s.step('The guest maps its page 0x1000 at 0x2000. The VMM knows where it has that page, and maps it once more.');
  const mapping = { ioasid: giova, iova: GIOVA, vaddr: vaddr + 0x1000n, pages: 1 };
  s.expect('It is mapped.', yield* user.map(mapping), 0);
  expectPage(s, { device: 'dma1', iova: GIOVA, program, vaddr: vaddr + 0x1000n, write: true });
  expectPage(s, { device: 'dma0', iova: 0x1000n, program, vaddr: vaddr + 0x1000n, write: true });
  if (version === 1) s.expect('What is registered is charged once.', s.look.locked(program), PAGES);
  else
    s.expect('The page is charged a second time: neither space knows of the other.', s.look.locked(program), PAGES + 1);

  s.step('dma1 writes by its address, dma0 reads by its own.');
  const first = yield* s.dmaEngine(program, user.fdOf('dma0'));
  const second = yield* s.dmaEngine(program, user.fdOf('dma1'));
  const text = new TextEncoder().encode('twice');
  yield* second.write(GIOVA, text);
  s.expect('They meet in one page.', yield* first.read(0x1000n, text.length), { ok: true, data: text });
  yield* expectRefused(s, 'dma1 has nothing of the first space.', second, 0x1000n);

  s.step('The guest unmaps its page, and so does the VMM.');
  s.expect('Another page stays.', yield* user.map({ ...mapping, iova: 0x8000n }), 0);
  const leaf = leafOf(s, 'dma1', GIOVA);
  s.expect('It is unmapped.', yield* user.unmap(mapping), 0);
  s.expect('The word that led there is 0.', s.look.word(leaf), 0n);
  yield* expectRefused(s, 'dma1 reaches it no more.', second, GIOVA);
  s.expect('dma0 does.', (yield* first.read(0x1000n, 4)).ok, true);
}
