/** The device of 06-own-way-of-faulting in the hands of a process: its driver in the kernel speaks for it on the ioasid. */
import {
  IOASID_ALLOC,
  IOASID_FAULT,
  IOASID_MAP_DMA,
  IOASID_PAGE_RESPONSE,
  IoasidMapFlag,
  IoasidPageResponse,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const { SUCCESS, INVALID } = IoasidPageResponse;
const PAGE = 0x1000n;
const IOVA = 0x10_0000n;
const LONG = 1e6;

export default scenario({
  name: '44-device-faults',
  title: 'A page fault that the IOMMU never hears of',
  question: 'How does a process hear of the page faults of a device that knows nothing of page requests?',
  look: [
    'The translation request is answered: no rights. Then the device stops, and raises an interrupt of its own; no page request crosses the link.',
    'Its driver in the kernel reads from registers of the device, which the process does not see, where it has stopped, and reports that on the ioasid that the device is attached to.',
    'The process reads the event, maps the page and answers, as it would answer a page request: it cannot tell the difference.',
    'Each stop has one answer, also when the device is detached while it waits.',
  ],
  next: [
    'npx ioasim run 06-own-way-of-faulting, where a driver in the kernel has the device, and 05-page-requests for the other way.',
    'Make it a dma-engine with pageRequests: 32 in the scenario, and run the same story. What changes in the trace, and what in the process?',
    'Answer SUCCESS without mapping anything. Who is asked next?',
    'Close the descriptor of the I/O address spaces instead of detaching.',
  ],
  machine: 'intel-scalable',
  needs: ['ats'],
  kernel: { trustDevices: true },
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    switches: [],
    bridges: [],
    devices: [{ name: 'stall0', model: 'stall-engine', at: 'port0:00.0' }],
  },

  *run(s) {
    const app = s.process('app');
    const { engine: time } = s.machine;

    s.step('A process takes the device and attaches it to an empty I/O address space.');
    const device = yield* app.open('/dev/vfio/devices/stall0');
    const ioasids = yield* app.open('/dev/ioasid');
    s.expect('It is bound.', yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids }), 0);
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    s.expect('It is attached.', yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);
    const engine = yield* s.dmaEngine(app, device);
    const vaddr = yield* app.mmap(Number(PAGE));

    /** The event that comes next. */
    function* hear() {
      s.expect('There is something to read.', yield* app.poll(ioasids, LONG), 1);
      const bytes = yield* app.readFile(ioasids, IOASID_FAULT.bytes);
      return IOASID_FAULT.decode(typeof bytes === 'number' ? new Uint8Array() : bytes);
    }
    const answer = (group: number, code: number) =>
      app.writeFile(ioasids, IOASID_PAGE_RESPONSE.encode({ ioasid, group, code }));

    s.step('The device writes where nothing is mapped. It stops, and its driver tells the process.');
    const message = new TextEncoder().encode('told in its own words');
    const first = time.spawn(engine.write(IOVA, message, { requestPages: true }), 'a write');
    const fault = yield* hear();
    const { group } = fault;
    s.expect('It is an event like that of a page request.', fault, {
      argsz: 40,
      flags: 3,
      ioasid,
      perm: 2,
      addr: IOVA,
      group,
      reason: 0,
      vpasid: 0,
    });
    s.expect('The device waits.', first.ended, false);

    s.step('The process maps the page and says so.');
    const mapping = { ioasid, flags: READ | WRITE, vaddr, iova: IOVA, size: PAGE };
    s.expect('It is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, mapping), 0);
    s.expect('The answer is taken.', yield* answer(group, SUCCESS), IOASID_PAGE_RESPONSE.bytes);
    s.expect('The device goes on.', yield* s.join(first), { ok: true, data: message });
    yield us(2);
    s.expect('The bytes are there.', app.read(vaddr, message.length), message);
    s.expect('There is no second answer.', yield* answer(group, SUCCESS), -22);

    s.step('It writes to another page, which the process refuses.');
    const second = time.spawn(engine.write(IOVA + PAGE, message, { requestPages: true }), 'a write');
    yield* answer((yield* hear()).group, INVALID);
    s.expect('Its transfer ends.', yield* s.join(second), {
      ok: false,
      error: 'NO_TRANSLATION',
      faultAddress: IOVA + PAGE,
    });

    s.step('It stops once more, and is detached while it waits.');
    const third = time.spawn(engine.write(IOVA + PAGE, message, { requestPages: true }), 'a write');
    const last = yield* hear();
    s.expect('It is detached.', yield* app.ioctl(device, VFIO_DETACH_IOASID, { ioasid }), 0);
    s.expect('The kernel has answered for the process.', (yield* s.join(third)).ok, false);
    s.expect('So the process cannot any more.', yield* answer(last.group, SUCCESS), -22);
    s.expect('The IOMMU has recorded no fault.', s.faults(), []);
  },
});
