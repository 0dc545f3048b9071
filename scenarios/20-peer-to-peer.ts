/** Two devices below one switch: what they do to each other, with and without access control. */
import { scenario, us } from '../src/index.ts';

const BUFFER_OFFSET = 0x1000;
const PAGE_BYTES = 0x1000;
/** I/O virtual page 0x100: address 0x100000. */
const PAGE = 0x100;
const IOVA = 0x10_0000n;
const GREETING = new TextEncoder().encode('a letter');
/** The same as a register of eight bytes. */
const AS_NUMBER = new DataView(GREETING.buffer).getBigUint64(0, true);
const WRITE_ONLY = { read: false, write: true };

const dmaEngine = (name: string, at: string) => ({ name, model: 'dma-engine' as const, at });

export default scenario({
  name: '20-peer-to-peer',
  title: 'What the IOMMU never sees',
  question: 'Which of two devices below a switch does the IOMMU protect from the other, and who decides that?',
  look: [
    'Without access control the write turns round inside the switch: it never crosses the link to the root complex, no translation is asked for, no fault is recorded.',
    'With it the same write goes up first. There it is one more I/O virtual address, and what the table says of it holds.',
    'The kernel reads the access control of every port before it makes groups: what can reach each other past the IOMMU is one group.',
  ],
  next: [
    'Give the open port request-redirect (--set rootPorts.0.acs=["request-redirect"]). Why are its devices still one group?',
    'Set rootComplex.peerToPeer=false: the write that is mapped ends in the root complex.',
  ],
  hardware: {
    rootPorts: [
      { name: 'open-port', at: '00:1c.0', acs: [] },
      { name: 'port', at: '00:1d.0' },
    ],
    switches: [
      { name: 'open', at: 'open-port:00.0', ports: 2, acs: [] },
      { name: 'guarded', at: 'port:00.0', ports: 2 },
    ],
    devices: [
      dmaEngine('dma0', 'open-0:00.0'),
      dmaEngine('dma1', 'open-1:00.0'),
      dmaEngine('dma2', 'guarded-0:00.0'),
      dmaEngine('dma3', 'guarded-1:00.0'),
    ],
  },

  *run(s) {
    s.step(
      'The kernel has found two switches, each with two devices, and has made groups of what it cannot keep apart.',
    );
    const groups = s.machine.kernel.iommu.groups.map(({ devices }) =>
      devices.map(({ requester }) => s.machine.names.requester(requester)),
    );
    for (const [i, names] of groups.entries()) s.note(`Group ${i}: ${names.join(', ')}.`);
    s.expect('Only the switch with access control has a group for each device.', groups, [
      ['dma0', 'dma1'],
      ['dma2'],
      ['dma3'],
    ]);

    s.step(
      'Drivers in the kernel take dma0 and, behind the other switch, dma2 and dma3. Nothing is mapped for any of them.',
    );
    const open = s.driver('dma0');
    const guarded = s.driver('dma2');
    const target = s.driver('dma3');
    for (const driver of [open, guarded]) yield* driver.setBusMaster(true);

    s.step('dma0 writes to the registers of dma1, by their physical address. No table has an entry for dma0.');
    const neighbour = s.machine.kernel.devices.find(
      ({ requester }) => s.machine.names.requester(requester) === 'dma1',
    )!;
    const across = BigInt(neighbour.bars.get(0)!.address + BUFFER_OFFSET);
    yield* s.dmaEngineOf(open).write(across, GREETING);
    yield us(20);
    const seen = yield* s.dmaEngineOf(open).read(across, GREETING.length);
    s.expect('The bytes have arrived: dma0 reads them back.', seen, { ok: true, data: GREETING });
    s.expect('The IOMMU has seen nothing of it.', s.faults(), []);

    s.step('dma2 does the same to dma3. Its switch sends the request up, and the IOMMU has no entry for dma2 either.');
    const { address } = target.device.bars.get(0)!;
    const up = BigInt(address + BUFFER_OFFSET);
    yield* s.dmaEngineOf(guarded).write(up, GREETING);
    yield us(20);
    s.expect('dma3 has what it had.', yield* target.read(0, BUFFER_OFFSET, 8), 0n);
    const faults = s.faults().map(({ device, access }) => ({ device, access }));
    s.expect('The attempt is on record.', faults, [{ device: 'dma2', access: 'write' }]);

    s.step('The kernel maps the registers of dma3 for dma2, at an address of its own, for writing.');
    const domain = yield* guarded.domain();
    if (typeof domain === 'number') throw new Error('there is no address space for dma2');
    const page = { frames: Float64Array.of((address + BUFFER_OFFSET) / PAGE_BYTES), length: PAGE_BYTES };
    s.expect('They are mapped.', yield* guarded.map(domain, PAGE, page, WRITE_ONLY), 0);
    s.expect('dma2 is attached.', yield* guarded.attach(domain), 0);

    s.step('dma2 writes there: up, through the IOMMU, and down again to dma3.');
    yield* s.dmaEngineOf(guarded).write(IOVA, GREETING);
    yield us(20);
    s.expect('dma3 has the bytes.', yield* target.read(0, BUFFER_OFFSET, 8), AS_NUMBER);

    s.step('dma2 reads there, which it may not.');
    s.expect('It is refused.', (yield* s.dmaEngineOf(guarded).read(IOVA, GREETING.length)).ok, false);
    yield us(20);
    s.expect('That is on record, too.', s.faults().length, 1);
  },
});
