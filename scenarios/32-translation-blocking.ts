/** The port above a device can refuse to pass on what says that it is translated: what that stops, and what it costs. */
import { type DeviceBuffer, type KernelDriver, type Script, type Stage, scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const PAGE_BYTES = 4096n;
const READ_WRITE = { read: true, write: true };
/** What the AT field of a request says. */
const TRANSLATION_REQUEST = 1;
const TRANSLATED = 2;
const COMPLETER_ABORT = 4;
const SECRET = new TextEncoder().encode('for dma0 alone');
const POISON = new TextEncoder().encode('from evil0');

export default scenario({
  name: '32-translation-blocking',
  title: 'A port that passes on no translated requests',
  question: 'A device with ATS says itself where its requests go. What if the port above it does not pass them on?',
  look: [
    'The forged write is on the link between evil0 and its port, and on none above: the IOMMU has no record, but the port has one, an ACS violation (AER).',
    'The port looks at the AT field alone. It blocks translation requests too, and it cannot tell dma0 from evil0.',
    'Without translations of its own dma0 does what it did before; but now each of its requests is looked up in the IOMMU.',
  ],
  next: [
    'npx ioasim run 32-translation-blocking --capture blocked.pcapng, and look for the forged write on each link.',
    'Run it with --set switches.0.acs=[]. Which of the expectations fails first, and who says no?',
    'Linux switches Translation Blocking on where firmware says that a port leads outside the machine. Why not everywhere?',
  ],
  machine: 'intel-scalable',
  needs: ['ats'],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [{ name: 'switch0', at: 'port0:00.0', ports: 2 }],
    bridges: [],
    devices: [
      { name: 'evil0', model: 'malicious', at: 'switch0-0:00.0' },
      { name: 'dma0', model: 'dma-engine', at: 'switch0-1:00.0', deviceTlb: { sets: 16, ways: 4 } },
    ],
  },

  *run(s) {
    const { kernel } = s.machine;
    s.step('Two drivers take a device each, let it keep translations (ATS), and map a page for it.');
    const attacker = s.driver('evil0');
    const victim = s.driver('dma0');
    const evil = s.maliciousOf(attacker);
    const engine = s.dmaEngineOf(victim);
    const own = yield* start(s, attacker, 'evil0', true);
    const page = yield* start(s, victim, 'dma0', true);
    victim.memory.write(page, 0, SECRET);
    s.expect('dma0 reads its page.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });

    s.step('evil0 has guessed where the page of dma0 lies, and says that it has translated the address.');
    const where = BigInt(page.frames[0]!) * PAGE_BYTES;
    const forged = { addressType: TRANSLATED, address: where } as const;
    yield* evil.send({ ...forged, kind: 'MEMORY_WRITE', data: POISON });
    yield us(20);
    s.expect('It is believed.', victim.memory.read(page, 0, POISON.length), POISON);
    victim.memory.write(page, 0, SECRET);

    s.step('The kernel lets the port above evil0 block what says that it is translated. evil0 tries again.');
    s.expect('The port can do it.', yield* kernel.blockTranslated('evil0', true), 0);
    yield* evil.send({ ...forged, kind: 'MEMORY_WRITE', data: POISON });
    yield us(20);
    s.expect('The page is as it was.', victim.memory.read(page, 0, SECRET.length), SECRET);
    const stolen = yield* evil.fetch({ ...forged, length: SECRET.length });
    s.expect('Instead of data it hears Completer Abort.', stolen, COMPLETER_ABORT);
    s.expect('The IOMMU has seen nothing.', s.faults(), []);

    s.step('It asks where its own page lies, and then goes there by the address that it has been given.');
    const asked = yield* evil.fetch({ addressType: TRANSLATION_REQUEST, address: IOVA, length: 8 });
    s.expect('It is not told.', asked, COMPLETER_ABORT);
    yield* evil.send({ kind: 'MEMORY_WRITE', address: IOVA, data: POISON });
    yield us(20);
    s.expect('It may do what the table says.', attacker.memory.read(own, 0, POISON.length), POISON);

    s.step('The kernel does the same to the port above dma0, which has done nothing wrong.');
    s.expect('The port can do it.', yield* kernel.blockTranslated('dma0', true), 0);
    const blocked = yield* engine.read(IOVA, SECRET.length);
    s.expect('dma0 cannot use what it knows.', blocked, { ok: false, error: 'COMPLETER_ABORT' });

    s.step('Its driver lets go of it. The next one has to do without ATS.');
    s.expect('Everything is given back.', yield* victim.release(), 0);
    const next = s.driver('dma0');
    s.check('The kernel does not let it keep translations.', (yield* next.permit({ ats: true })) < 0);
    const another = yield* start(s, next, 'dma0', false);
    next.memory.write(another, 0, SECRET);
    s.expect('dma0 reads it.', yield* engine.read(IOVA, SECRET.length), { ok: true, data: SECRET });
    s.expect('No fault is on record.', s.faults(), []);
    s.expect('dma0 is given back.', yield* next.release(), 0);
    s.expect('evil0 is given back.', yield* attacker.release(), 0);
  },
});

/** A page for a device, which may keep translations or has to do without. */
function* start(s: Stage, driver: KernelDriver, name: string, ats: boolean): Script<DeviceBuffer> {
  if (ats) s.expect(`${name} may keep translations.`, yield* driver.permit({ ats }), 0);
  yield* driver.setBusMaster(true);
  const buffer = s.buffer(driver, 1);
  const domain = yield* s.domain(driver);
  s.expect(`A page is mapped for ${name}.`, yield* driver.map(domain, PAGE, buffer, READ_WRITE), 0);
  s.expect(`${name} is attached.`, yield* driver.attach(domain), 0);
  return buffer;
}
