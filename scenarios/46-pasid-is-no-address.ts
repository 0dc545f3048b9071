/** What ports look at when they pass a request on, and what a PASID is worth where they pass it on to the wrong one. */
import { type DeviceBuffer, type KernelDriver, type Script, type Stage, scenario, us } from '../src/index.ts';

const PASID = 5;
const PAGE_BYTES = 0x1000;
/** Where a DMA engine has its buffer, behind its base address. */
const BUFFER_OFFSET = 0x1000;
const LETTER = new TextEncoder().encode('a letter');
/** The same as a register of eight bytes. */
const AS_NUMBER = new DataView(LETTER.buffer).getBigUint64(0, true);
const READ_WRITE = { read: true, write: true };
/** The PASID capability's id, and bit 0 of its control register, six bytes from its start. */
const PASID_CAPABILITY = 0x1b;
const CONTROL = 6;

const dmaEngine = (name: string, at: string) => ({ name, model: 'dma-engine' as const, at, pasidWidth: 20 });

export default scenario({
  name: '46-pasid-is-no-address',
  title: 'A request for one address space ends in another',
  question:
    'A device works in the address space of a PASID. Who on its way to memory knows what the address means there?',
  look: [
    'The request of the first act carries its PASID as far as the switch and turns round there: the IOMMU is not asked, and no fault is recorded.',
    'Nobody has done anything that a table forbids. The page is mapped at this address, for this PASID; the switch looks at the address alone.',
    'The kernel says no before any of this. What it looks at is access control on the way up, not the device.',
  ],
  next: [
    'npx ioasim run 46-pasid-is-no-address --capture pasid.pcapng, and look for the prefix with the PASID on each link.',
    'Compare with 20-peer-to-peer: there the device means its neighbour. Whose fault is it here?',
    'Without PASIDs the kernel does not use such addresses at all: it knows where registers are. Why can it not do so for a process?',
  ],
  machine: 'intel-scalable',
  needs: ['pasid'],
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
    s.note('First act: below a switch without access control.');
    s.step('A driver asks the kernel whether dma0 may send PASIDs.');
    const open = s.driver('dma0');
    s.check('It may not.', (yield* open.permit({ pasid: true })) < 0);

    s.step('The driver knows better, and switches PASIDs on itself.');
    yield* switchOn(open);
    const lost = yield* sendLetter(s, open, s.driver('dma1'));
    s.expect('The page is as it was.', lost.page, new Uint8Array(LETTER.length));
    s.expect('The letter is in a register of dma1.', lost.register, AS_NUMBER);
    s.expect('The IOMMU has seen nothing of it.', s.faults(), []);

    s.note('Second act: below a switch that sends all requests up.');
    s.step('A driver asks the kernel whether dma2 may send PASIDs.');
    const guarded = s.driver('dma2');
    s.expect('It may.', yield* guarded.permit({ pasid: true }), 0);
    const found = yield* sendLetter(s, guarded, s.driver('dma3'));
    s.expect('The letter is in the page.', found.page, LETTER);
    s.expect('dma3 has what it had.', found.register, 0n);
    s.expect('No fault is on record.', s.faults(), []);
  },
});

/** Lets a device write under its PASID at an address where a peer has registers: what its page and the peer have then. */
function* sendLetter(
  s: Stage,
  driver: KernelDriver,
  peer: KernelDriver,
): Script<{ page: Uint8Array; register: bigint }> {
  s.step(
    'For PASID 5 a page is mapped, at an address that in another world is that of registers of the device beside it.',
  );
  yield* driver.setBusMaster(true);
  const [bar] = [...peer.device.bars.values()];
  const address = bar!.address + BUFFER_OFFSET;
  const domain = yield* s.domain(driver, { stage: 'first' });
  const page: DeviceBuffer = s.buffer(driver, 1);
  s.expect('It is mapped.', yield* driver.map(domain, address / PAGE_BYTES, page, READ_WRITE), 0);
  s.expect('The device is attached.', yield* driver.attach(domain, { pasid: PASID }), 0);

  s.step('The device writes a letter there, under PASID 5.');
  yield* s.dmaEngineOf(driver).write(BigInt(address), LETTER, { pasid: PASID });
  yield us(20);
  const register = yield* peer.read(bar!.index, BUFFER_OFFSET, 8);
  return { page: driver.memory.read(page, 0, LETTER.length), register };
}

/** Finds the capability in the list that begins at 100h, and sets its enable bit. */
function* switchOn(driver: KernelDriver): Script {
  for (let at = 0x100; at !== 0; ) {
    const head = yield* driver.configRead(at, 4);
    if ((head & 0xffff) === PASID_CAPABILITY) return yield* driver.configWrite(at + CONTROL, 2, 1);
    at = head >>> 20;
  }
}
