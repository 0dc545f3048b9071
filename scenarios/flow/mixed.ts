/** Flow 4.7 of the proposal: devices behind IOMMUs that cannot share a table. */
import {
  IOASID_GET_INFO,
  IOMMU_DEVICE_GET_INFO,
  type ScenarioDefinition,
  type Script,
  type Stage,
} from '../../src/index.ts';
import { expectEntry, expectPage, expectRefused, rootOf } from './expect.ts';
import { User, type Version } from './user.ts';

const PAGES = 2;
const PAGE = 0x1000;
/** 4 GiB: more than the smaller of the two translates. */
const HIGH = 0x1_0000_0000n;
/** What mmu0’s own MMU adds to an address, so that the platform’s unit has the page there. */
const WINDOW = 0x1_0000_0000n;

/** The one has an MMU of its own, and the platform’s behind it; the other has the platform’s alone. */
export const MIXED_HARDWARE: Pick<ScenarioDefinition, 'hardware'> = {
  hardware: {
    rootPorts: [],
    switches: [],
    bridges: [],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: '00:01.0' },
      { name: 'mmu0', model: 'mmu-engine', at: '00:02.0' },
    ],
  },
};

export function* mixedIommus(s: Stage, version: Version): Script {
  const user = new User(s, version);
  const { program } = user;
  s.step(
    'A process binds two devices: dma0 is behind the platform’s IOMMU alone, mmu0 has an MMU of its own before it.',
  );
  yield* user.open('dma0', 'mmu0');
  // Version 2 allocates for what the last one that was bound can do.
  for (const device of ['mmu0', 'dma0']) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
  if (version === 2) {
    const infos = [yield* infoOf(user, 'dma0'), yield* infoOf(user, 'mmu0')] as const;
    const [{ addr_width: wide }, { addr_width: narrow }] = infos;
    s.check('IOMMU_DEVICE_GET_INFO tells that they differ, before anything is allocated.', wide > narrow);
    s.expect('The device’s MMU has 32 bits of address.', narrow, 32);
  }

  s.step('It makes a space, attaches dma0 and maps memory.');
  const first = yield* user.alloc();
  s.expect('dma0 is attached.', yield* user.attach('dma0', first), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  s.expect('Memory is mapped.', yield* user.map({ ioasid: first, iova: 0n, vaddr, pages: PAGES }), 0);
  expectPage(s, { device: 'dma0', iova: 0x1000n, program, vaddr: vaddr + 0x1000n, write: true });

  s.step('mmu0 cannot use that table: a space has one table, and this one is in the format of one unit.');
  s.expect('It is refused.', yield* user.attach('mmu0', first), -22);
  expectEntry(s, 'mmu0', 'blocked');
  expectEntry(s, 'dma0', 'kernel');

  s.step('So the process makes another space for it, with the same memory at the same addresses.');
  const second = yield* user.alloc(version === 2 ? { addr_width: 32 } : {});
  s.expect('mmu0 is attached.', yield* user.attach('mmu0', second), 0);
  s.check('Its table is another one.', rootOf(s, 'mmu0') !== rootOf(s, 'dma0'));
  if (version === 1) {
    for (const [ioasid, bits] of [
      [first, undefined],
      [second, 32],
    ] as const) {
      const { value } = yield* program.exchange(user.fd, IOASID_GET_INFO, { ioasid });
      s.note(`ioasid_fd: IOASID_GET_INFO(${ioasid}): ${value.addr_width} bits of address.`);
      if (bits !== undefined) s.expect('Now IOASID_GET_INFO tells, too: 32 bits.', value.addr_width, bits);
    }
  }
  s.expect('Memory is mapped.', yield* user.map({ ioasid: second, iova: 0n, vaddr, pages: PAGES }), 0);
  const window = { device: 'mmu0', iova: WINDOW + 0x1000n, program, vaddr: vaddr + 0x1000n, write: true };
  expectPage(s, window);
  s.expect('It is charged a second time.', s.look.locked(program), 2 * PAGES);
  s.expect(
    'Beyond 32 bits nothing can be mapped there.',
    yield* user.map({ ioasid: second, iova: HIGH, vaddr, pages: 1 }),
    -22,
  );

  s.step('Both devices meet in one page of memory, each through its own units.');
  const [plain, own] = [yield* s.dmaEngine(program, user.fdOf('dma0')), yield* s.dmaEngine(program, user.fdOf('mmu0'))];
  const text = new TextEncoder().encode('by two ways');
  yield* own.write(0x1000n, text);
  s.expect('dma0 reads what mmu0 wrote.', yield* plain.read(0x1000n, text.length), { ok: true, data: text });

  s.step('What is unmapped in one space stays in the other.');
  s.expect('It is unmapped.', yield* user.unmap({ ioasid: second, iova: 0n, pages: PAGES }), 0);
  yield* expectRefused(s, 'mmu0 reaches it no more.', own, 0x1000n);
  s.expect('dma0 does.', yield* plain.read(0x1000n, text.length), { ok: true, data: text });
}

/** What version 2 says of a device before anything is allocated. */
function* infoOf(user: User, device: string) {
  const { program, fd, stage } = user;
  const { value } = yield* program.exchange(fd, IOMMU_DEVICE_GET_INFO, { dev_cookie: user.cookieOf(device) });
  const sizes = `page sizes 0x${value.pgsize_bitmap.toString(16)}`;
  stage.note(`iommu_fd: IOMMU_DEVICE_GET_INFO(${device}): ${value.addr_width} bits of address, ${sizes}.`);
  return value;
}
