/** What a device can do before there is translation, and how a kernel keeps it from deciding whether there ever is. */
import { ENODEV, scenario, us, VFIO_BIND_IOASID_FD } from '../src/index.ts';

/** Where firmware of these machines leaves the table that says where the IOMMU is. */
const TABLE = '0xe1000';
/** Nanoseconds between its writes, and how many there are: as long as a boot takes. */
const EVERY = 1000;
const COUNT = 60;

export default scenario({
  name: '39-before-the-kernel',
  title: 'Before there is a kernel',
  question:
    'A device has power before there is a kernel, and needs nobody to begin. What stops it until the IOMMU is on?',
  look: [
    'evil0 writes from the first microsecond on. At first its port lets nothing pass: bus mastering is off there, too, until somebody switches it on.',
    'In the first act the kernel opens the port when it finds it, and looks for the IOMMU afterwards. Between the two there is no translation: an address is a physical one.',
    'It takes one write. The kernel finds no table, so it finds no IOMMU, and says nothing about it: there are machines without one.',
    'In the second act the ports stay closed until translation is on. The same writes end at the port first, and then at the IOMMU.',
  ],
  next: [
    'Put evil0 at 00:02.0 (and leave rootPorts out). Why does the second act fail, and what could firmware do about it? Look for “DMA protection” and Intel’s PMEN register.',
    'Where else in memory would you write, if you had ten microseconds?',
    'What does it help that the table has a checksum?',
  ],
  kernel: { openBridges: 'found' },
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [
      {
        name: 'evil0',
        model: 'malicious',
        at: 'port0:00.0',
        early: { address: TABLE, length: 64, every: EVERY, count: COUNT },
      },
    ],
  },

  *run(s) {
    const groups = (): string[][] =>
      s.machine.kernel.iommu.groups.map(({ devices }) =>
        devices.map(({ requester }) => s.machine.names.requester(requester)),
      );

    s.note('First act: a kernel that opens the ports while it looks at what there is.');
    s.step('The kernel has booted. It has found evil0, behind a root port.');
    s.expect('There is one device.', s.machine.kernel.devices.length, 1);
    s.expect('There is no IOMMU, as far as it knows: nothing has a group.', groups(), []);
    const app = s.process('app');
    const device = yield* app.open('/dev/vfio/devices/evil0');
    const ioasids = yield* app.open('/dev/ioasid');
    const bound = yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    s.expect('So no process can have it: there is nothing to keep it in.', bound, -ENODEV);
    yield us((COUNT * EVERY) / 1000);
    s.expect('Nothing is on record.', s.faults(), []);

    s.note('Second act: the same machine. This kernel opens the ports when the IOMMU is on.');
    yield* s.reboot({ openBridges: 'translated' });
    s.step('The kernel has booted, and evil0 has done what it did before.');
    s.expect('evil0 is behind an IOMMU.', groups(), [['evil0']]);
    yield us((COUNT * EVERY) / 1000);
    const attempts = s.faults();
    s.check('Its later writes have come as far as the IOMMU.', attempts.length > 0);
    s.check(
      'They were blocked there.',
      attempts.every(
        ({ device, access, address }) => device === 'evil0' && access === 'write' && address === BigInt(TABLE),
      ),
    );
  },
});
