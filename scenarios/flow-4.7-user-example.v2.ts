/** Flow 4.7 of the proposal: the example for users that came with the code of 2021, call by call. */
import {
  IOMMU_CHECK_EXTENSION,
  IOMMU_DEVICE_GET_INFO,
  IoasidExtension,
  IommuDeviceInfoFlag,
  IommuIoasidFlag,
  scenario,
} from '../src/index.ts';
import { expectPage, leafOf } from './flow/expect.ts';
import { User } from './flow/user.ts';

const IOVA = 0x10_0000n;
const KEPT = 0x10_8000n;
const PAGE = 0x1000;
const PAGES = 2;

export default scenario({
  name: 'flow-4.7-user-example.v2',
  title: 'The example of 2021 (version 2)',
  question: 'In which order does a careful program ask, allocate, attach and map, and what can each call tell it?',
  look: [
    'What the IOMMU can do is known after the bind, and before anything is allocated.',
    'A program that must have coherent DMA asks for it where hardware can force it, and gets on without where a device may be trusted.',
  ],
  next: [
    'Run on intel-legacy and on intel-snoop-control (--machine intel-snoop-control): which has bit SNP in its last entries?',
  ],

  *run(s) {
    const user = new User(s, 2);
    const { program } = user;
    s.step('Open both files, bind, and ask what the device’s IOMMU can do.');
    yield* user.open('dma0');
    s.expect('dma0 is bound.', yield* user.bind('dma0'), 0);
    const { result, value } = yield* program.exchange(user.fd, IOMMU_DEVICE_GET_INFO, {
      dev_cookie: user.cookieOf('dma0'),
    });
    s.expect('It tells.', result, 0);
    s.check('It has pages of 4 KiB.', (value.pgsize_bitmap & 0x1000n) !== 0n);
    const enforces = (value.flags & IommuDeviceInfoFlag.ENFORCE_SNOOP) !== 0;
    s.note(`It translates ${value.addr_width} bits and ${enforces ? 'can' : 'cannot'} force DMA to be coherent.`);
    const unforced = yield* program.ioctl(user.fd, IOMMU_CHECK_EXTENSION, IoasidExtension.DMA_NO_SNOOP);
    s.check('One of the two goes: forcing it, or DMA that is not coherent.', enforces || unforced === 1);
    const type = yield* program.ioctl(user.fd, IOMMU_CHECK_EXTENSION, IoasidExtension.MAP_TYPE1V2);
    s.expect('Mapping goes as in type1, version 2.', type, 1);

    s.step('Allocate with these attributes, attach, map.');
    const ioasid = yield* user.alloc({ flags: enforces ? IommuIoasidFlag.ENFORCE_SNOOP : 0 });
    s.check('It has a number.', ioasid > 0);
    s.expect('dma0 is attached.', yield* user.attach('dma0', ioasid), 0);
    const vaddr = yield* program.mmap(PAGES * PAGE);
    const kept = yield* program.mmap(PAGE);
    s.expect('Memory is mapped.', yield* user.map({ ioasid, iova: IOVA, vaddr, pages: PAGES }), 0);
    s.expect('A page is, to be kept.', yield* user.map({ ioasid, iova: KEPT, vaddr: kept, pages: 1 }), 0);
    expectPage(s, { device: 'dma0', iova: IOVA + 0x1000n, program, vaddr: vaddr + 0x1000n, write: true });

    s.step('DMA.');
    const engine = yield* s.dmaEngine(program, user.fdOf('dma0'));
    const text = new TextEncoder().encode('as in 2021');
    yield* engine.write(IOVA + 0x1000n, text);
    const back = yield* engine.read(IOVA + 0x1000n, text.length);
    s.expect('It reads what it wrote.', back, { ok: true, data: text });
    s.expect('The process has it.', program.read(vaddr + 0x1000n, text.length), text);

    s.step('Unmap, detach, free, close.');
    const leaf = leafOf(s, 'dma0', IOVA);
    s.expect('It is unmapped.', yield* user.unmap({ ioasid, iova: IOVA, pages: PAGES }), 0);
    s.expect('The word that led there is 0.', s.look.word(leaf), 0n);
    s.expect('A space that is in use cannot be freed.', yield* user.free(ioasid), -16);
    s.expect('dma0 is detached.', yield* user.detach('dma0', ioasid), 0);
    s.expect('The space is gone.', yield* user.free(ioasid), 0);
    s.expect('The device is closed.', yield* program.close(user.fdOf('dma0')), 0);
    s.expect('So is the descriptor.', yield* program.close(user.fd), 0);
    s.expect('Nothing is charged.', s.look.locked(program), 0);
  },
});
