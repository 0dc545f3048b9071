/** Flow 4.7 of the proposal: a group of several devices, which the IOMMU cannot tell apart. */
import { type ScenarioDefinition, type Script, type Stage, us, VFIO_UNBIND_IOASID_FD } from '../../src/index.ts';
import { expectEntry, expectPage, expectRefused } from './expect.ts';
import { User, type Version } from './user.ts';

const PAGE = 0x1000;
const IOVA = 0x10_0000n;
const HELLO = new TextEncoder().encode('hello, group');
const GROUP = ['pci0', 'pci1'] as const;
/** The bridge speaks for all as function 0 of device 0 of its bus, and that is this one’s place. */
const SHARED = 'pci0';

/** dma0 is alone in its group; pci0 and pci1 are behind a bridge to conventional PCI, and the bridge puts its id on what they send. */
export const GROUP_HARDWARE: Pick<ScenarioDefinition, 'hardware'> = {
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1f.0' }],
    switches: [],
    bridges: [{ name: 'bridge0', at: 'port0:00.0' }],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: '00:01.0' },
      { name: 'pci0', model: 'dma-engine', at: 'bridge0:00.0' },
      { name: 'pci1', model: 'dma-engine', at: 'bridge0:01.0' },
    ],
  },
};

export function* groups(s: Stage, version: Version): Script {
  const user = new User(s, version, 'owner');
  const other = new User(s, version, 'other');
  const { program } = user;
  yield* user.open('dma0', ...GROUP);
  yield* other.open(...GROUP);

  s.step('Stage 1: a device that is alone in its group. Nothing but the device itself is in the way.');
  s.expect('dma0 is bound.', yield* user.bind('dma0'), 0);
  const alone = yield* user.alloc();
  s.expect('It is attached.', yield* user.attach('dma0', alone), 0);
  const vaddr = yield* program.mmap(PAGE);
  program.write(vaddr, HELLO);
  s.expect('Memory is mapped.', yield* user.map({ ioasid: alone, iova: IOVA, vaddr, pages: 1 }), 0);

  s.step(
    'Stage 2: what pci0 and pci1 send comes out of their bridge under one id. The first bind takes the whole group.',
  );
  s.expect('pci0 is bound.', yield* user.bind('pci0'), 0);
  s.expect('Nobody else can have pci1.', yield* other.bind('pci1'), -16);
  s.expect('The owner can.', yield* user.bind('pci1'), 0);
  const first = yield* user.alloc();
  const second = yield* user.alloc();
  s.expect('pci0 is attached.', yield* user.attach('pci0', first), 0);

  s.step('pci1 is not attached yet, and the IOMMU cannot tell the two apart.');
  const mapping = { ioasid: first, iova: IOVA, vaddr, pages: 1 };
  if (version === 1) {
    s.expect('In version 1 the space takes no command before the group is complete.', yield* user.map(mapping), -35);
    s.expect('Nor can anything be nested on it.', yield* user.nest(first), -35);
  }
  s.expect('pci1 cannot go to another space.', yield* user.attach('pci1', second), -22);
  s.expect('It has to go to the same: no entry changes by that.', yield* user.attach('pci1', first), 0);
  expectEntry(s, SHARED, 'kernel');
  expectEntry(s, 'pci1', 'blocked');
  s.expect('Memory is mapped.', yield* user.map(mapping), 0);
  expectPage(s, { device: SHARED, iova: IOVA, program, vaddr, write: true });

  s.step('Both read.');
  const engines = [
    yield* s.dmaEngine(program, user.fdOf('pci0')),
    yield* s.dmaEngine(program, user.fdOf('pci1')),
  ] as const;
  for (const engine of engines) {
    s.expect('It gets the page.', yield* engine.read(IOVA, HELLO.length), { ok: true, data: HELLO });
  }

  s.step('pci0 is detached. The entry is pci1’s as well, so it stays, and pci0 reaches what pci1 does.');
  s.expect('It is detached.', yield* user.detach('pci0', first), 0);
  expectEntry(s, SHARED, 'kernel');
  s.expect('pci1 reads.', yield* engines[1].read(IOVA, HELLO.length), { ok: true, data: HELLO });
  s.expect('So does pci0.', yield* engines[0].read(IOVA, HELLO.length), { ok: true, data: HELLO });
  if (version === 1) s.expect('The space takes no command again.', yield* user.unmap(mapping), -35);

  s.step('pci1 is detached, too: now both are blocked.');
  s.expect('It is detached.', yield* user.detach('pci1', first, [SHARED]), 0);
  expectEntry(s, SHARED, 'blocked');
  for (const engine of engines) yield* expectRefused(s, 'It reaches nothing.', engine, IOVA);
  const blamed = s.faults().map(({ device }) => device);
  s.expect('Both faults are reported under the bridge’s id: nobody can tell who it was.', blamed, [SHARED, SHARED]);

  s.step('The group is the owner’s until the last of its devices is given back.');
  s.expect('pci0 is given back.', yield* giveBack(user, 'pci0'), 0);
  s.expect('Another process still cannot have it.', yield* other.bind('pci0'), -16);
  s.expect('pci1 is given back.', yield* giveBack(user, 'pci1'), 0);
  s.expect('Now it can.', yield* other.bind('pci0'), 0);
  s.expect('It gives it back.', yield* giveBack(other, 'pci0'), 0);

  s.step('A driver of the kernel takes pci0. The group is not viable then: pci1 would reach what the driver maps.');
  const driver = s.driver('pci0');
  s.expect('pci1 cannot be bound.', yield* user.bind('pci1'), -22);
  s.expect('The driver lets go.', yield* driver.release(), 0);
  s.expect('Now it can.', yield* user.bind('pci1'), 0);
  yield us(20);
}

/** In version 1 by a command of its own; in version 2 by closing the file, and opening it again for the next time. */
function* giveBack(user: User, device: string): Script<number> {
  const { program, version } = user;
  if (version === 1) {
    const call = program.ioctl(user.fdOf(device), VFIO_UNBIND_IOASID_FD);
    return yield* user.told(`${device}_fd: VFIO_UNBIND_IOASID_FD`, call, [device]);
  }
  const closed = yield* user.told(`close(${device}_fd)`, program.close(user.fdOf(device)), [device]);
  yield* user.openDevice(device);
  return closed;
}
