/** A table that says which pages of the machine a trusted device may touch: trust without blind faith. */
import { type DeviceBuffer, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const PAGE_BYTES = 4096n;
const READ_WRITE = { read: true, write: true };
const READ_ONLY = { read: true, write: false };
const TRANSLATED = 2;
const SECRET = new TextEncoder().encode('what was there');
const POISON = new TextEncoder().encode('written by evil0');

export default scenario({
  name: '33-host-permissions',
  title: 'Trusted, and checked all the same',
  question: 'A device may keep translations. Can the IOMMU still tell whether it goes only where it was sent?',
  look: [
    'A translated request is not translated again, but it is looked up: by its host address, in the host permission table (HPTL4E to HPTL1E).',
    'What is refused is on record under its host address: HPT.5 is a write without permission, HPT.6 a read.',
    'When a page is mapped its permission is written before its translation; when it is unmapped, the permission goes last, after the device has said that it has forgotten the page.',
  ],
  next: [
    'npx ioasim run 33-host-permissions --step, and read the permissions of the last HPTL1E: which 32 pages do they stand for?',
    'npx ioasim inspect tables --scenario 33-host-permissions --at 100us --requester evil0: both tables of evil0, side by side.',
    'npx ioasim run 33-host-permissions --set iommu.hostPermissionCache=null. How many table entries more does the IOMMU fetch?',
    'npx ioasim run 31-forged-translation --machine intel-host-permissions: the same machine, where nobody has asked for the check.',
  ],
  machine: 'intel-host-permissions',
  needs: ['ats', 'host permissions'],
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0' },
      { name: 'port1', at: '00:1d.0' },
    ],
    switches: [],
    bridges: [],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: 'port0:00.0', deviceTlb: { sets: 16, ways: 4 } },
      { name: 'evil0', model: 'malicious', at: 'port1:00.0' },
    ],
  },

  *run(s) {
    const checked = { ats: true, hostPermissions: true };
    s.step('A driver lets dma0 keep translations, and what it does with them is checked. It maps two pages.');
    const driver = s.driver('dma0');
    const engine = s.dmaEngineOf(driver);
    s.expect('Device and IOMMU can do it.', yield* driver.permit(checked), 0);
    yield* driver.setBusMaster(true);
    const pages = s.buffer(driver, 2);
    driver.memory.write(pages, 0, SECRET);
    const domain = yield* s.domain(driver);
    s.expect('They are mapped.', yield* driver.map(domain, PAGE, pages, READ_WRITE), 0);
    s.expect('The device is attached.', yield* driver.attach(domain), 0);

    s.step('dma0 writes to one and reads from the other. An honest device notices nothing of the check.');
    yield* engine.write(IOVA + PAGE_BYTES, SECRET);
    s.expect('It reads.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });
    yield us(5);
    s.expect('It has written.', driver.memory.read(pages, Number(PAGE_BYTES), SECRET.length), SECRET);

    s.step('Another driver has evil0, with the same rights. It lends it a page to write, and one to read.');
    const trusting = s.driver('evil0');
    const evil = s.maliciousOf(trusting);
    s.expect('Device and IOMMU can do it.', yield* trusting.permit(checked), 0);
    yield* trusting.setBusMaster(true);
    const writable = s.buffer(trusting, 1);
    const readable = s.buffer(trusting, 1);
    for (const buffer of [writable, readable]) trusting.memory.write(buffer, 0, SECRET);
    const second = yield* s.domain(trusting);
    s.expect('One is mapped to write.', yield* trusting.map(second, PAGE, writable, READ_WRITE), 0);
    s.expect('One is mapped to read.', yield* trusting.map(second, PAGE + 1, readable, READ_ONLY), 0);
    s.expect('The device is attached.', yield* trusting.attach(second), 0);

    /** Lets evil0 write to a buffer, by a host address that it says it has been told. */
    function* forge(buffer: DeviceBuffer) {
      const address = BigInt(buffer.frames[0]!) * PAGE_BYTES;
      yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address, data: POISON });
      yield us(20);
      return s
        .faults()
        .map(({ device, access, name, address: at }) => ({ device, access, name, host: at === address }));
    }
    const refused = [{ device: 'evil0', access: 'write', name: 'HPT.5', host: true }];

    s.step('evil0 writes to the page that it may write, and gives the host address instead of asking for it.');
    s.expect('No record.', yield* forge(writable), []);
    s.expect('The write arrives.', trusting.memory.read(writable, 0, POISON.length), POISON);

    s.step('It writes to the page that it may only read, and to one of dma0.');
    s.expect('The first is refused.', yield* forge(readable), refused);
    s.expect('That page is as it was.', trusting.memory.read(readable, 0, SECRET.length), SECRET);
    s.expect('So is the second.', yield* forge(pages), refused);
    s.expect('That page is as it was, too.', driver.memory.read(pages, 0, SECRET.length), SECRET);

    s.step('It reads from both.');
    const fetch = (buffer: DeviceBuffer) => {
      const address = BigInt(buffer.frames[0]!) * PAGE_BYTES;
      return evil.fetch({ addressType: TRANSLATED, address, length: SECRET.length });
    };
    s.expect('It may read the first.', yield* fetch(readable), SECRET);
    s.check('It hears nothing of the second.', !((yield* fetch(pages)) instanceof Uint8Array));
    yield us(20);
    s.expect(
      'Why, says the record.',
      s.faults().map(({ name }) => name),
      ['HPT.6'],
    );

    s.step('The first page is unmapped. evil0 says that it has forgotten it, and goes on.');
    trusting.memory.write(writable, 0, SECRET);
    s.expect('It is unmapped.', yield* trusting.unmap(second, PAGE, 1), 0);
    s.expect('The write is refused.', yield* forge(writable), refused);
    s.expect('The page is as it was.', trusting.memory.read(writable, 0, SECRET.length), SECRET);
    s.expect('dma0 goes on as before.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });
    s.expect('evil0 is given back.', yield* trusting.release(), 0);
    s.expect('dma0 is given back.', yield* driver.release(), 0);
  },
});
