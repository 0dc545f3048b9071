/** An IOMMU protects pages, and what is lent to a device is rarely a page: what lies beside it is lent, too. */
import { scenario, us } from '../src/index.ts';

const PAGE = 0x100;
const IOVA = 0x10_0000n;
const READ_WRITE = { read: true, write: true };

/** What shares a page of the kernel's heap: a buffer that the device is given, and what somebody else keeps there. */
const BUFFER = { offset: 0x240, length: 64 };
const KEY_OFFSET = 0x800;
const KEY = new TextEncoder().encode('a key that nobody lends');
const REQUEST = new TextEncoder().encode('what the device is to read');
const ANSWER = new TextEncoder().encode('what the device has to say');
const POISON = new TextEncoder().encode('a key of the attacker’s');

export default scenario({
  name: '36-sub-page-exposure',
  title: 'The neighbour on the page',
  question: 'A driver maps 64 bytes for a device. How many bytes can the device reach?',
  look: [
    'Both reads of the first act are allowed by the same table entry. There is no smaller one: the last 12 bits of an address are never translated.',
    'No fault in the first act: for the IOMMU there is nothing wrong.',
    'The bounce buffer costs two copies. In the second act the device has a page of which nothing else is in use.',
  ],
  next: [
    'Let the device write over the key in the second act. Who sees that, and when is it gone?',
    'Copy the whole page back in the second act instead of the buffer. What is the bounce buffer worth then?',
    'Which devices does Linux give bounce buffers whatever they ask for? Look for “untrusted” in its DMA code.',
  ],

  *run(s) {
    const driver = s.driver('dma0');
    yield* driver.setBusMaster(true);
    const domain = yield* s.domain(driver);
    yield* driver.attach(domain);
    const dma0 = s.dmaEngineOf(driver);
    const at = (offset: number): bigint => IOVA + BigInt(offset);

    s.step('A page of the kernel’s heap holds a buffer of 64 bytes, and a key that has nothing to do with it.');
    const heap = s.buffer(driver, 1);
    driver.memory.write(heap, BUFFER.offset, REQUEST);
    driver.memory.write(heap, KEY_OFFSET, KEY);

    s.note('First act: the driver maps the buffer where it is.');
    s.step('It maps the page that the buffer is in. dma0 reads its request, as it should.');
    s.expect('It is mapped.', yield* driver.map(domain, PAGE, heap, READ_WRITE), 0);
    const read = yield* dma0.read(at(BUFFER.offset), REQUEST.length);
    s.expect('dma0 has its request.', read, { ok: true, data: REQUEST });

    s.step('It reads on, to the end of the page.');
    const stolen = yield* dma0.read(at(KEY_OFFSET), KEY.length);
    s.expect('It has the key.', stolen, { ok: true, data: KEY });

    s.step('It writes there.');
    yield* dma0.write(at(KEY_OFFSET), POISON);
    yield us(20);
    s.expect('The kernel uses another key from now on.', driver.memory.read(heap, KEY_OFFSET, POISON.length), POISON);
    s.expect('Nobody has noticed: no fault.', s.faults(), []);
    s.expect('The page is unmapped.', yield* driver.unmap(domain, PAGE, 1), 0);
    driver.memory.write(heap, KEY_OFFSET, KEY);

    s.note('Second act: the driver has a page that dma0 may have whole, and copies.');
    s.step('It copies the request to the same place of an empty page, a bounce buffer, and maps that.');
    const bounce = s.buffer(driver, 1);
    driver.memory.write(bounce, BUFFER.offset, driver.memory.read(heap, BUFFER.offset, BUFFER.length));
    s.expect('It is mapped.', yield* driver.map(domain, PAGE, bounce, READ_WRITE), 0);
    const again = yield* dma0.read(at(BUFFER.offset), REQUEST.length);
    s.expect('dma0 has its request.', again, { ok: true, data: REQUEST });

    s.step('dma0 looks for the key.');
    const nothing = yield* dma0.read(at(KEY_OFFSET), KEY.length);
    s.expect('There are zeros.', nothing, { ok: true, data: new Uint8Array(KEY.length) });

    s.step('It answers, and writes where the key was, and beyond the page.');
    yield* dma0.write(at(BUFFER.offset), ANSWER);
    yield* dma0.write(at(KEY_OFFSET), POISON);
    yield* dma0.write(at(0x1000), POISON);
    yield us(20);
    s.expect('Only what is beyond the page is a fault.', s.faults().length, 1);

    s.step('The driver unmaps the bounce buffer first, and then copies the 64 bytes back that are the buffer.');
    s.expect('It is unmapped.', yield* driver.unmap(domain, PAGE, 1), 0);
    driver.memory.write(heap, BUFFER.offset, driver.memory.read(bounce, BUFFER.offset, BUFFER.length));
    s.expect('It has the answer.', driver.memory.read(heap, BUFFER.offset, ANSWER.length), ANSWER);
    s.expect('The key is what it was.', driver.memory.read(heap, KEY_OFFSET, KEY.length), KEY);
    s.expect('Everything is given back.', yield* driver.release(), 0);
  },
});
