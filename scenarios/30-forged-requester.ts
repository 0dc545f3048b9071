/** A device that speaks under another one's name, and who notices. */
import {
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IoasidMapFlag,
  type Program,
  type Script,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const IOVA = 0x10_0000n;
const PAGE = 0x1000n;
const SECRET = new TextEncoder().encode('for dma0 alone');
const POISON = new TextEncoder().encode('from evil0, as dma0');

export default scenario({
  name: '30-forged-requester',
  title: 'A device under another one’s name',
  question:
    'The IOMMU knows a device by the requester id in its packets. What keeps a device from writing another id there?',
  look: [
    'The forged write is on the link between evil0 and its port, and on none above: ACS Source Validation drops what comes with an id of another bus.',
    'The IOMMU has no record of it, because it never saw it. The port has one: an ACS violation (AER).',
    'The same write under the device’s own id passes the port, and there the IOMMU does the rest.',
  ],
  next: [
    'npx ioasim run 30-forged-requester --capture forged.pcapng, and look for the write with the requester of dma0.',
    'Run it with --set switches.0.acs=[]. Without access control both devices are in one group, and the second process cannot have its device. Why is that the only honest answer?',
  ],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    bridges: [],
    switches: [{ name: 'switch0', at: 'port0:00.0', ports: 2 }],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: 'switch0-0:00.0' },
      { name: 'evil0', model: 'malicious', at: 'switch0-1:00.0' },
    ],
  },

  *run(s) {
    const victim = s.process('victim');
    const attacker = s.process('attacker');

    s.step('A process lets dma0 read and write a page of its memory.');
    const dma0 = yield* space(victim, 'dma0');
    const page = yield* victim.mmap(Number(PAGE));
    victim.write(page, SECRET);
    s.expect('The page is mapped.', yield* map(victim, dma0, page), 0);
    const engine = yield* s.dmaEngine(victim, dma0.device);
    s.expect('dma0 reads it.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });

    s.step('Another process has evil0, with an address space of its own in which nothing is mapped.');
    const evil0 = yield* space(attacker, 'evil0');
    const evil = yield* s.malicious(attacker, evil0.device);

    s.step('evil0 writes to the victim’s address under the id of dma0.');
    const requester = s.machine.requesters.get('dma0')!;
    yield* evil.send({ kind: 'MEMORY_WRITE', address: IOVA, requester, data: POISON });
    yield us(20);
    s.expect('The victim finds its memory as it was.', victim.read(page, SECRET.length), SECRET);
    s.expect('The IOMMU has seen nothing.', s.faults(), []);

    s.step('It reads there under the id of dma0.');
    const stolen = yield* evil.fetch({ address: IOVA, requester, length: SECRET.length });
    s.check('No data come back.', !(stolen instanceof Uint8Array));

    s.step('It writes there under its own id.');
    yield* evil.send({ kind: 'MEMORY_WRITE', address: IOVA, data: POISON });
    yield us(20);
    s.expect('The victim finds its memory as it was.', victim.read(page, SECRET.length), SECRET);
    const records = s.faults().map(({ device, access, address }) => ({ device, access, address }));
    s.expect('The IOMMU has it on record.', records, [{ device: 'evil0', access: 'write', address: IOVA }]);
    s.expect('dma0 goes on as before.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });
  },
});

interface Space {
  readonly device: number;
  readonly ioasids: number;
  readonly ioasid: number;
}

/** A device in an empty address space of its own. */
function* space(app: Program, name: string): Script<Space> {
  const device = yield* app.open(`/dev/vfio/devices/${name}`);
  const ioasids = yield* app.open('/dev/ioasid');
  yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
  const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
  yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid });
  return { device, ioasids, ioasid };
}

function map(app: Program, { ioasids, ioasid }: Space, vaddr: bigint): Script<number> {
  const flags = IoasidMapFlag.READ | IoasidMapFlag.WRITE;
  return app.ioctl(ioasids, IOASID_MAP_DMA, { ioasid, flags, vaddr, iova: IOVA, size: PAGE });
}
