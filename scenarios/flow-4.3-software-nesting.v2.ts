/** Flow 4.3 of the proposal: the kernel merges a space and what it is nested on into one table. */
import { IommuIoasidFlag, scenario } from '../src/index.ts';
import { expectPage, leafOf, rootOf } from './flow/expect.ts';
import { User } from './flow/user.ts';

const PAGES = 4;
const PAGE = 0x1000;
const GIOVA = 0x2000n;

export default scenario({
  name: 'flow-4.3-software-nesting.v2',
  title: 'Software nesting (version 2)',
  question: 'Who finds out where a guest’s I/O virtual address lies when hardware has one table for two steps?',
  look: [
    'The guest’s mapping names a page of the parent space. What is written into the table is the frame that the parent has there.',
    'What the parent loses the merged table loses with it, and hardware is told of both.',
    'A root that no device is attached to pins each page once, and spaces nested on it cost nothing more.',
  ],
  next: ['Compare with flow-4.2-several.v2: who computed the address of the process there?'],

  *run(s) {
    const user = new User(s, 2);
    const { program } = user;
    s.step('A VMM attaches two devices to what its guest takes for physical addresses.');
    yield* user.open('dma0', 'dma1');
    for (const device of ['dma0', 'dma1'] as const) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
    const gpa = yield* user.alloc();
    for (const device of ['dma0', 'dma1'] as const) {
      s.expect(`${device} is attached.`, yield* user.attach(device, gpa), 0);
    }
    const vaddr = yield* program.mmap(PAGES * PAGE);
    s.expect('Memory is mapped.', yield* user.map({ ioasid: gpa, iova: 0n, vaddr, pages: PAGES }), 0);
    const charged = s.look.locked(program);

    s.step('The guest’s IOMMU is on for dma1: a space nested on the first. The device stays attached to both.');
    const giova = yield* user.alloc({ parent_ioasid: gpa });
    s.expect('dma1 is attached to the nested space, too.', yield* user.attach('dma1', giova), 0);
    s.check('Its entry names another table now.', rootOf(s, 'dma1') !== rootOf(s, 'dma0'));
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
    s.expect('The device reaches it no more.', (yield* engine.read(GIOVA, 4)).ok, false);

    s.step('The VMM takes the memory out of the parent. The merged table loses it, too.');
    s.expect('It is unmapped.', yield* user.unmap({ ioasid: gpa, iova: 0n, pages: PAGES }), 0);
    s.expect('Nothing is left in the table.', s.look.tables('dma1', 0x8000n).stages.at(-1)?.page ?? null, null);
    s.expect('The device reaches nothing.', (yield* engine.read(0x8000n, 4)).ok, false);
    s.expect('Nothing is charged.', s.look.locked(program), charged - PAGES);
    s.expect('dma1 leaves the child.', yield* user.detach('dma1', giova), 0);
    s.expect('Then the parent.', yield* user.detach('dma1', gpa), 0);
    s.expect('dma0 leaves, too.', yield* user.detach('dma0', gpa), 0);

    s.step(
      'Part two: devices that cannot share a table. A root for no device pins the memory, for two spaces nested on it.',
    );
    const dummy = yield* user.alloc({ flags: IommuIoasidFlag.DUMMY });
    s.expect('No device may use it itself.', yield* user.attach('dma0', dummy), -22);
    const memory = { ioasid: dummy, iova: vaddr, vaddr, pages: PAGES };
    s.expect('Its addresses are those of the process.', yield* user.map(memory), 0);
    const once = s.look.locked(program);
    const spaces = [yield* user.alloc({ parent_ioasid: dummy }), yield* user.alloc({ parent_ioasid: dummy })] as const;
    for (const [i, ioasid] of spaces.entries()) {
      const device = i === 0 ? 'dma0' : 'dma1';
      s.expect(`${device} is attached.`, yield* user.attach(device, ioasid), 0);
      s.expect('The guest’s memory is mapped.', yield* user.map({ ioasid, iova: 0n, vaddr, pages: PAGES }), 0);
      expectPage(s, { device, iova: 0x3000n, program, vaddr: vaddr + 0x3000n, write: true });
    }
    s.check('Each device has a table of its own.', rootOf(s, 'dma0') !== rootOf(s, 'dma1'));
    s.expect('The memory is charged once.', s.look.locked(program), once);
  },
});
