/** ATS is trust: what a device may do that is believed when it says that it has translated an address. */
import { scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const READ_ONLY = { read: true, write: false };
const TRANSLATED = 2;
const PAGE_BYTES = 4096n;
const SECRET = new TextEncoder().encode('nobody mapped this');
const POISON = new TextEncoder().encode('written by a liar!');

export default scenario({
  name: '31-forged-translation',
  title: 'A device that lies about translations',
  question: 'A request that says it is translated is not translated again. Who decides whether that is believed?',
  look: [
    'Before ATS is granted, the IOMMU’s entry for the device says that translated requests are refused, and each is on record.',
    'With ATS granted the same request passes, to any page of the machine: the device needs no mapping, and no record is made.',
    'Switching ATS off in the device’s configuration space changes nothing: the device is the one that lies. The entry of the IOMMU decides.',
  ],
  next: [
    'Which devices does Linux trust with ATS? Look for “untrusted” in its PCI code.',
    'What does Translation Blocking at the port above the device do to an honest device with ATS? 32-translation-blocking tells.',
  ],
  machine: 'intel-scalable',
  needs: ['ats', 'pasid'],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [{ name: 'evil0', model: 'malicious', at: 'port0:00.0' }],
  },

  *run(s) {
    s.step('A driver takes the device without ATS and lets it read one page.');
    const careful = s.driver('evil0');
    yield* careful.setBusMaster(true);
    const evil = s.maliciousOf(careful);
    const page = s.buffer(careful, 1);
    const secret = s.buffer(careful, 1);
    careful.memory.write(secret, 0, SECRET);
    const domain = yield* s.domain(careful);
    s.expect('The page is mapped.', yield* careful.map(domain, PAGE, page, READ_ONLY), 0);
    s.expect('The device is attached.', yield* careful.attach(domain), 0);

    s.step('The device guesses where another page lies and says that it has translated the address.');
    const address = BigInt(secret.frames[0]!) * PAGE_BYTES;
    yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address, data: POISON });
    yield us(20);
    s.expect('The page is as it was.', careful.memory.read(secret, 0, SECRET.length), SECRET);
    s.expect('The attempt is on record.', s.faults().length, 1);
    s.expect('Everything is given back.', yield* careful.release(), 0);

    s.step('Another driver lets the device keep translations (ATS).');
    const trusting = s.driver('evil0');
    s.expect('Device and IOMMU can do it.', yield* trusting.permit({ ats: true }), 0);
    yield* trusting.setBusMaster(true);
    const lent = s.buffer(trusting, 1);
    const hidden = s.buffer(trusting, 1);
    trusting.memory.write(lent, 0, SECRET);
    trusting.memory.write(hidden, 0, SECRET);
    const second = yield* s.domain(trusting);
    s.expect('A page is mapped for reading.', yield* trusting.map(second, PAGE, lent, READ_ONLY), 0);
    s.expect('The device is attached.', yield* trusting.attach(second), 0);

    s.step('It writes to the page that it may only read, and to one that it may not know.');
    for (const buffer of [lent, hidden]) {
      const where = BigInt(buffer.frames[0]!) * PAGE_BYTES;
      yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address: where, data: POISON });
    }
    yield us(20);
    s.expect('Both are overwritten.', trusting.memory.read(lent, 0, POISON.length), POISON);
    s.expect('Both, indeed.', trusting.memory.read(hidden, 0, POISON.length), POISON);
    s.expect('Nothing is on record.', s.faults(), []);

    s.step('The page is unmapped. The device says that it has forgotten the translation, and goes on using it.');
    trusting.memory.write(lent, 0, SECRET);
    s.expect('It is unmapped.', yield* trusting.unmap(second, PAGE, 1), 0);
    s.check('The device was asked.', (yield* evil.loot()).invalidations > 0);
    const where = BigInt(lent.frames[0]!) * PAGE_BYTES;
    yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address: where, data: POISON });
    yield us(20);
    s.expect('The write arrives.', trusting.memory.read(lent, 0, POISON.length), POISON);

    s.step('The driver switches ATS off in the device’s configuration space. The device does not care.');
    yield* trusting.revoke();
    trusting.memory.write(hidden, 0, SECRET);
    const there = BigInt(hidden.frames[0]!) * PAGE_BYTES;
    yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address: there, data: POISON });
    yield us(20);
    s.expect('The write arrives.', trusting.memory.read(hidden, 0, POISON.length), POISON);
    trusting.memory.write(hidden, 0, SECRET);
    const before = trusting.memory.read(hidden, 0, SECRET.length);

    s.step('The driver lets go of it: the IOMMU’s entry trusts the device no more.');
    s.expect('Everything is given back.', yield* trusting.release(), 0);
    s.faults();
    yield* evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address: there, data: POISON });
    yield us(20);
    s.expect('It had been put right.', before, SECRET);
    s.expect('The attempt is on record again.', s.faults().length, 1);
  },
});
