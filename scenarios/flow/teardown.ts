/** Flow 4.7 of the proposal: files are closed, in whatever order, and nothing is left. */
import { ns, type Script, type Stage, us, VFIO_UNBIND_IOASID_FD } from '../../src/index.ts';
import { expectEntry } from './expect.ts';
import { User, type Version } from './user.ts';

const PAGES = 4;
const PAGE = 0x1000;
const DEVICES = ['dma0', 'dma1'] as const;
const HELLO = new TextEncoder().encode('still here');

export function* teardown(s: Stage, version: Version): Script {
  yield us(20);
  const nothing = s.look.held();
  s.step('Before anything is open, the kernel holds nothing for processes: no page is pinned, no table is there.');
  s.expect('No page is pinned.', nothing.pinned, 0);
  for (const device of DEVICES) expectEntry(s, device, 'blocked');

  s.step('In the order that the proposal has: the devices, then the descriptor. A process takes two devices.');
  const first = new User(s, version, 'tidy');
  const engines = yield* takeDevices(s, first);
  const number = domainOf(s, 'dma0');

  s.step('It closes dma0’s file while dma1 stays.');
  if (version === 1) {
    const unbind = first.program.ioctl(first.fdOf('dma0'), VFIO_UNBIND_IOASID_FD);
    s.expect(
      'In version 1 it may also unbind it.',
      yield* first.told('dma0_fd: VFIO_UNBIND_IOASID_FD', unbind, ['dma0']),
      0,
    );
  }
  s.expect('It is closed.', yield* close(first, 'dma0'), 0);
  expectEntry(s, 'dma0', 'blocked');
  s.expect('dma0 may issue no requests any more, and its registers are out of reach.', yield* engines[0]!.read(0n, 4), {
    ok: false,
    error: 'EBADF',
  });
  expectEntry(s, 'dma1', 'kernel');
  s.expect('dma1 goes on.', yield* engines[1]!.read(0n, HELLO.length), { ok: true, data: HELLO });
  s.expect('What is mapped is still pinned.', s.look.held().pinned, PAGES);

  s.step('It closes dma1’s file.');
  s.expect('It is closed.', yield* close(first, 'dma1'), 0);
  expectEntry(s, 'dma1', 'blocked');
  if (version === 1) s.expect('In version 1 mappings end with the last device.', s.look.held().pinned, 0);
  else
    s.expect(
      'In version 2 the space still has its mappings: it is there for the next device.',
      s.look.held().pinned,
      PAGES,
    );

  s.step('It closes the descriptor: the space goes, and with it what it maps.');
  s.expect('It is closed.', yield* closeDescriptor(first), 0);
  s.expect('The kernel holds what it held before.', s.look.held(), nothing);
  s.expect('Nothing is charged.', s.look.locked(first.program), 0);

  s.step('Now the other way round. Another process takes the devices, and closes the descriptor first.');
  const second = new User(s, version, 'hasty');
  const others = yield* takeDevices(s, second);
  s.expect('The domain id is the same as before: it was given back.', domainOf(s, 'dma0'), number);
  s.expect('It is closed.', yield* closeDescriptor(second), 0);
  for (const device of DEVICES) expectEntry(s, device, 'kernel');
  s.expect('The devices hold what is behind it: DMA goes on.', yield* others[1]!.read(0n, HELLO.length), {
    ok: true,
    data: HELLO,
  });
  s.expect(
    'But nobody can say anything about the space any more.',
    yield* second.unmap({ ioasid: 1, iova: 0n, pages: PAGES }),
    -9,
  );

  s.step('It closes the devices’ files. With the last one everything goes.');
  s.expect('dma0’s is closed.', yield* close(second, 'dma0'), 0);
  s.expect('Pages are still pinned.', s.look.held().pinned, PAGES);
  const before = lookedUp(s);
  const reading = s.machine.engine.spawn(others[1]!.read(0n, HELLO.length), 'a read that is under way');
  while (lookedUp(s) === before) yield ns(20);
  s.expect('dma1’s is closed when a read has just reached the IOMMU.', yield* close(second, 'dma1'), 0);
  s.expect('Its driver gets no more of it.', yield* s.join(reading), { ok: false, error: 'EBADF' });
  for (const device of DEVICES) expectEntry(s, device, 'blocked');
  s.expect('The kernel holds what it held before.', s.look.held(), nothing);

  s.step('A third process closes nothing. It ends.');
  const third = new User(s, version, 'gone');
  yield* takeDevices(s, third);
  s.expect('It ends.', yield* third.told('exit', third.program.exit(), [...DEVICES]), 0);
  for (const device of DEVICES) expectEntry(s, device, 'blocked');
  s.expect('The kernel has closed everything: it holds what it held before.', s.look.held(), nothing);
  yield us(20);
}

/** Binds two devices, attaches them to one space and maps memory there; gives their drivers. */
function* takeDevices(s: Stage, user: User) {
  const { program } = user;
  yield* user.open(...DEVICES);
  for (const device of DEVICES) s.expect(`${device} is bound.`, yield* user.bind(device), 0);
  const ioasid = yield* user.alloc();
  for (const device of DEVICES) s.expect(`${device} is attached.`, yield* user.attach(device, ioasid), 0);
  const vaddr = yield* program.mmap(PAGES * PAGE);
  program.write(vaddr, HELLO);
  s.expect('Memory is mapped.', yield* user.map({ ioasid, iova: 0n, vaddr, pages: PAGES }), 0);
  s.expect('It is pinned.', s.look.held().pinned, PAGES);
  const engines = [];
  for (const device of DEVICES) engines.push(yield* s.dmaEngine(program, user.fdOf(device)));
  for (const engine of engines)
    s.expect('DMA reaches it.', yield* engine.read(0n, HELLO.length), { ok: true, data: HELLO });
  return engines;
}

/** DMA requests that have come to the IOMMU so far. */
function lookedUp(s: Stage): number {
  const { hits, misses } = s.iotlb();
  return hits + misses;
}

function close(user: User, device: string): Script<number> {
  return user.told(`close(${device}_fd)`, user.program.close(user.fdOf(device)), [device]);
}

function closeDescriptor(user: User): Script<number> {
  return user.told(`close(${user.name})`, user.program.close(user.fd), [...DEVICES]);
}

/** The domain id in a device's entry: VT-d 9.3 and 9.6 call it DID, AMD's DTE DomainID. */
function domainOf(s: Stage, device: string): bigint | undefined {
  const fields = s.look.tables(device, 0n).device.flatMap((entry) => entry.fields);
  return fields.findLast(({ name }) => name === 'DID' || name === 'DomainID')?.value;
}
