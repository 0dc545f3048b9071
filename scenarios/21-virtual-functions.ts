/** One device, several requesters: virtual functions in I/O address spaces of their own. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  type Program,
  type Script,
  type Stage,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const IOVA = 0x10_0000n;
/** Only the second process maps this. */
const ELSEWHERE = 0x20_0000n;
const PAGE = 0x1000;
const SECRET = new TextEncoder().encode('of the second process');

export default scenario({
  name: '21-virtual-functions',
  title: 'One device for two processes',
  question: 'Two virtual functions are one piece of hardware: what keeps the one’s process from the other’s memory?',
  look: [
    'Each virtual function sends requests with an id of its own, and the IOMMU has an entry for each.',
    'Both use the same I/O virtual address, and reach different memory.',
    'Their registers stand in one array behind the physical function: where it begins was decided at boot, before there was any of them.',
  ],
  next: [
    'Take access control from the port (--set rootPorts.0.acs=[]). Why does the kernel refuse to make virtual functions?',
    'Ask for more of them than the device has (vfs in the scenario), or for a second time.',
  ],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [{ name: 'dma0', model: 'dma-engine', at: 'port0:00.0', vfs: 4 }],
  },
  // A device has 100 ms until its virtual functions are there, and a second until they are gone.
  limit: us(3_000_000),

  *run(s) {
    const { kernel } = s.machine;
    s.step('The kernel asks dma0 for two virtual functions, and waits until they are there.');
    s.expect('It has them.', yield* kernel.enableVfs('dma0', 2), 0);
    s.expect('Each is a group of its own.', groupsOf(s), ['dma0', 'dma0v0', 'dma0v1']);

    s.step('Two processes take one each, and map memory at the same address.');
    const first = yield* prepare(s, 'first', 'dma0v0');
    const second = yield* prepare(s, 'second', 'dma0v1');
    second.program.write(second.vaddr, SECRET);

    s.step('Each function writes its name to that address.');
    for (const { engine, name } of [first, second]) yield* engine.write(IOVA + 0x800n, new TextEncoder().encode(name));
    yield us(5);
    for (const { program, vaddr, name } of [first, second]) {
      const bytes = new TextEncoder().encode(name);
      s.expect(`The ${name} process finds its own.`, program.read(vaddr + 0x800n, bytes.length), bytes);
    }

    s.step(
      'The second process maps another page. The first function asks for it, and for what is at the common address.',
    );
    const more = yield* second.program.mmap(PAGE);
    yield* map(second, ELSEWHERE, more);
    s.expect('It may not read where only the other may.', (yield* first.engine.read(ELSEWHERE, 16)).ok, false);
    const own = yield* first.engine.read(IOVA, SECRET.length);
    s.expect('What it reads is not the secret.', own, { ok: true, data: new Uint8Array(SECRET.length) });
    yield us(20);
    const records = s.faults().map(({ device, access, address }) => ({ device, access, address }));
    s.expect('The attempt is on record with its id.', records, [
      { device: 'dma0v0', access: 'read', address: ELSEWHERE },
    ]);

    s.step('The kernel wants them back. First it hears no, then the processes let go.');
    s.expect('They are in use.', yield* kernel.disableVfs('dma0'), -16);
    for (const { program, device } of [first, second]) yield* program.close(device);
    s.expect('They are gone.', yield* kernel.disableVfs('dma0'), 0);
    s.expect('Only the device is left.', groupsOf(s), ['dma0']);
  },
});

function groupsOf({ machine }: Stage): string[] {
  const name = ({ requester }: { readonly requester: number }) => machine.names.requester(requester);
  return machine.kernel.iommu.groups.map(({ devices }) => devices.map(name).join(' '));
}

/** A process that has taken a function and mapped a page. */
function* prepare(s: Stage, name: string, function_: string) {
  const program = s.process(name);
  const device = yield* program.open(`/dev/vfio/devices/${function_}`);
  const ioasids = yield* program.open('/dev/ioasid');
  yield* program.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* program.ioctl(ioasids, IOASID_ALLOC);
  s.expect(`${function_} is attached.`, yield* program.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);
  const vaddr = yield* program.mmap(PAGE);
  yield* map({ program, ioasids, ioasid }, IOVA, vaddr);
  return { name, program, device, ioasids, ioasid, vaddr, engine: yield* s.dmaEngine(program, device) };
}

function map(
  { program, ioasids, ioasid }: { readonly program: Program; readonly ioasids: number; readonly ioasid: number },
  iova: bigint,
  vaddr: bigint,
): Script<number> {
  const flags = IoasidMapFlag.READ | IoasidMapFlag.WRITE;
  return program.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags, vaddr, iova, size: BigInt(PAGE) });
}
