/** Slots that devices may leave and enter at any time: what their port says of it, whom it tells, and what becomes of the device. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ns, us } from '../../hardware/sim/index.ts';
import { NvmeBoard } from '../devices/nvme-board.ts';
import { barOf, portOf, ROOT_PORT, ridOf, Tree } from './tree.ts';

/** Registers of a port. */
const FLAGS = 0x42;
const LINK_CAPABILITIES = 0x4c;
const LINK_CONTROL = 0x50;
const LINK_DISABLE = 0x10;
const LINK_STATUS = 0x52;
const SLOT_CAPABILITIES = 0x54;
const SLOT_CONTROL = 0x58;
const SLOT_STATUS = 0x5a;
const MSI = 0x80;
const BRIDGE_CONTROL = 0x3e;
const SECONDARY_BUS_RESET = 0x40;
/** Bits of Slot Status, and of Slot Control those that let them interrupt, with Hot-Plug Interrupt Enable. */
const PRESENCE_CHANGED = 0x0008;
const PRESENCE = 0x0040;
const LINK_CHANGED = 0x0100;
const TELL_PRESENCE = 0x0008;
const TELL_LINK = 0x1000;
const INTERRUPT = 0x0020;
const LINK_ACTIVE = 0x2000;
const ADDRESS = 0xfee0_0000;
const DATA = 0x41;
const READ = 1;

/** A port, the link below it, and the interrupts that reach the CPU. */
class Slot {
  readonly tree = new Tree(0, 3, true).bringUp();
  readonly messages: (readonly [address: number, data: number])[] = [];
  readonly port: number;

  constructor(port: number) {
    this.port = port;
    this.tree.root.onInterrupt = (address, data) => this.messages.push([address, data]);
  }

  get link() {
    return this.tree.links.find(({ name }) => name === (this.port === ROOT_PORT ? 'root port' : 'port 1'))!;
  }

  get status(): number {
    return this.tree.config(this.port, SLOT_STATUS, 2);
  }

  get isActive(): boolean {
    return (this.tree.config(this.port, LINK_STATUS, 2) & LINK_ACTIVE) !== 0;
  }

  write(offset: number, value: number, size = 2): void {
    this.tree.configure(this.port, offset, size, value);
  }

  /** Software gives the port a message, and says what it wants to hear of. */
  listen(control = TELL_PRESENCE | TELL_LINK | INTERRUPT): this {
    this.write(MSI + 4, ADDRESS, 4);
    this.write(MSI + 8, 0, 4);
    this.write(MSI + 12, DATA, 4);
    this.write(MSI + 2, 1);
    this.write(SLOT_CONTROL, control);
    return this;
  }

  unplug(): void {
    this.link.unplug();
    this.tree.engine.run();
  }

  plug(): void {
    this.link.plug();
    this.tree.engine.run();
  }
}

const PORTS = [
  ['A root port', ROOT_PORT, 0x0142, 1],
  ['A port of a switch', portOf(1), 0x0162, 3],
] as const;

describe.each(PORTS)('%s with a slot', (_, port, flags, number) => {
  it('says so, and that something is in it.', () => {
    const slot = new Slot(port);
    const { tree } = slot;
    expect(tree.config(port, FLAGS, 2)).toBe(flags);
    // Physical slot number, no command completed, capable, surprise.
    expect(tree.config(port, SLOT_CAPABILITIES)).toBe(number * 2 ** 19 + 0x0004_0060);
    expect(
      tree.config(port, LINK_CAPABILITIES) & 0x0018_0000,
      'tells the state of the link, and no Surprise Down',
    ).toBe(0x0010_0000);
    expect([slot.status, slot.isActive]).toEqual([PRESENCE, true]);
  });

  it('has the three enables that go with its events, and nothing else in Slot Control.', () => {
    const slot = new Slot(port);
    slot.write(SLOT_CONTROL, 0xffff);
    expect(slot.tree.config(port, SLOT_CONTROL, 2)).toBe(0x1028);
  });

  it('remembers that a device was pulled out until software writes ones, and then that it came back.', () => {
    const slot = new Slot(port);
    slot.unplug();
    expect([slot.status, slot.isActive]).toEqual([PRESENCE_CHANGED | LINK_CHANGED, false]);
    slot.write(SLOT_STATUS, 0);
    expect(slot.status).toBe(PRESENCE_CHANGED | LINK_CHANGED);
    slot.write(SLOT_STATUS, PRESENCE_CHANGED);
    expect(slot.status).toBe(LINK_CHANGED);
    slot.write(SLOT_STATUS, LINK_CHANGED);
    expect(slot.status).toBe(0);
    slot.plug();
    expect([slot.status, slot.isActive]).toEqual([PRESENCE | PRESENCE_CHANGED | LINK_CHANGED, true]);
  });

  it('interrupts once for everything that software has not cleared.', () => {
    const slot = new Slot(port).listen();
    slot.unplug();
    expect(slot.messages).toEqual([[ADDRESS, DATA]]);
    slot.plug();
    slot.write(SLOT_STATUS, PRESENCE_CHANGED);
    slot.unplug();
    expect(slot.messages.length, 'the link has been down all the time').toBe(1);
    slot.write(SLOT_STATUS, PRESENCE_CHANGED | LINK_CHANGED);
    slot.plug();
    expect(slot.messages.length).toBe(2);
  });

  it('interrupts when software asks for what has happened already.', () => {
    const slot = new Slot(port).listen(TELL_LINK);
    slot.unplug();
    expect(slot.messages).toEqual([]);
    slot.write(SLOT_CONTROL, TELL_LINK | INTERRUPT);
    expect(slot.messages).toEqual([[ADDRESS, DATA]]);
  });

  it.each([
    ['without Hot-Plug Interrupt Enable', TELL_PRESENCE | TELL_LINK, 1, 6],
    ['without an event that is enabled', INTERRUPT, 1, 6],
    ['without MSI', TELL_PRESENCE | TELL_LINK | INTERRUPT, 0, 6],
    ['without Bus Master Enable', TELL_PRESENCE | TELL_LINK | INTERRUPT, 1, 2],
  ])('tells nobody %s.', (_, control, msi, command) => {
    const slot = new Slot(port).listen(control);
    slot.write(MSI + 2, msi);
    slot.write(0x04, command);
    slot.unplug();
    expect([slot.messages, slot.status]).toEqual([[], PRESENCE_CHANGED | LINK_CHANGED]);
  });

  it('keeps apart a reset of the bus below, which pulls nothing out and brings nothing back.', () => {
    const slot = new Slot(port);
    slot.write(BRIDGE_CONTROL, SECONDARY_BUS_RESET);
    expect([slot.status, slot.isActive]).toEqual([PRESENCE | LINK_CHANGED, false]);
    slot.unplug();
    slot.write(BRIDGE_CONTROL, 0);
    expect([slot.link.isUp, slot.isActive]).toEqual([false, false]);
    slot.write(BRIDGE_CONTROL, SECONDARY_BUS_RESET);
    slot.plug();
    expect([slot.link.isUp, slot.isActive]).toEqual([false, false]);
    slot.write(BRIDGE_CONTROL, 0);
    expect([slot.link.isUp, slot.isActive]).toEqual([true, true]);
  });

  it('has a link that software can disable, whatever comes into the slot.', () => {
    const slot = new Slot(port);
    slot.write(LINK_CONTROL, LINK_DISABLE);
    expect([slot.status, slot.isActive]).toEqual([PRESENCE | LINK_CHANGED, false]);
    slot.unplug();
    slot.plug();
    slot.write(BRIDGE_CONTROL, SECONDARY_BUS_RESET);
    slot.write(BRIDGE_CONTROL, 0);
    expect([slot.link.isUp, slot.isActive]).toEqual([false, false]);
    slot.write(LINK_CONTROL, 0);
    expect([slot.link.isUp, slot.isActive]).toEqual([true, true]);
  });

  it('lets a few messages stand for as many as software provokes at one instant.', () => {
    const slot = new Slot(port).listen();
    slot.unplug();
    slot.messages.length = 0;
    const { config } = slot.tree.bridges.get(port === ROOT_PORT ? 'root port' : 'port 1')!;
    for (let n = 0; n < 1000; n++) {
      config.write(SLOT_CONTROL, 2, 0);
      config.write(SLOT_CONTROL, 2, TELL_PRESENCE | INTERRUPT);
    }
    slot.tree.engine.run();
    expect(slot.messages.length).toBeGreaterThan(0);
    expect(slot.messages.length).toBeLessThanOrEqual(64);
    expect(slot.tree.links[0]!.top.pool.taken).toBe(0);
  });

  it('tells what is in the slot after a reset, too, and nothing that happened before.', () => {
    const slot = new Slot(port).listen();
    slot.unplug();
    const { config } = slot.tree.bridges.get(port === ROOT_PORT ? 'root port' : 'port 1')!;
    config.conventionalReset();
    expect([config.read(SLOT_STATUS, 2), config.read(SLOT_CONTROL, 2)]).toEqual([0, 0]);
    expect(config.read(LINK_STATUS, 2) & LINK_ACTIVE).toBe(0);
  });

  it('sends as many messages as its condition becomes true, whatever happens in whatever order.', () => {
    const acts = fc.constantFrom('unplug', 'plug', 'clear presence', 'clear link', 'all', 'link alone', 'none');
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 20 }), (sequence) => {
        const slot = new Slot(port).listen(0);
        const model = { present: true, presence: false, link: false, control: 0, told: 0, was: false };
        for (const act of sequence) {
          if (act === 'unplug' || act === 'plug') {
            const isNew = model.present !== (act === 'plug');
            model.present = act === 'plug';
            if (isNew) model.presence = model.link = true;
            slot[act]();
          } else if (act === 'clear presence') {
            model.presence = false;
            slot.write(SLOT_STATUS, PRESENCE_CHANGED);
          } else if (act === 'clear link') {
            model.link = false;
            slot.write(SLOT_STATUS, LINK_CHANGED);
          } else {
            const all = TELL_PRESENCE | TELL_LINK | INTERRUPT;
            model.control = act === 'all' ? all : act === 'none' ? 0 : TELL_LINK | INTERRUPT;
            slot.write(SLOT_CONTROL, model.control);
          }
          const { control, presence, link } = model;
          const isEvent = ((control & TELL_PRESENCE) !== 0 && presence) || ((control & TELL_LINK) !== 0 && link);
          const is = isEvent && (control & INTERRUPT) !== 0;
          if (is && !model.was) model.told++;
          model.was = is;
          expect(slot.messages.length).toBe(model.told);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('A port without a slot', () => {
  it.each([
    ['root port', ROOT_PORT],
    ['downstream port', portOf(1)],
  ])('has no registers of one and always says that something is there: a %s.', (_, port) => {
    const tree = new Tree().bringUp();
    tree.configure(port, SLOT_CONTROL, 2, 0xffff);
    const words = [FLAGS, SLOT_CAPABILITIES, SLOT_CONTROL, SLOT_STATUS].map((offset) => tree.config(port, offset, 2));
    expect(words).toEqual([port === ROOT_PORT ? 0x0042 : 0x0062, 0, 0, PRESENCE]);
  });
});

describe('A device that is pulled out of a slot', () => {
  it('is not there: reads give all ones, writes go nowhere, and its DMA does not arrive any more.', () => {
    const slot = new Slot(portOf(1));
    const { tree } = slot;
    tree.memory.write(0x8000, new Uint8Array(4096).fill(0x11));
    tree.run(
      (function* () {
        yield* tree.root.mmioWrite(barOf(1) + 0x1000, 8, 0x2222_2222_2222_2222n);
        yield* tree.root.mmioWrite(barOf(1) + 0x08, 8, 0x8000n);
        yield* tree.root.mmioWrite(barOf(1) + 0x10, 4, 4096n);
        yield* tree.root.mmioWrite(barOf(1) + 0x18, 4, 3n);
        yield ns(1200);
        slot.link.unplug();
        yield us(50);
        expect(yield* tree.root.configRead(ridOf(1), 0, 4)).toBe(0xffff_ffff);
        expect(yield* tree.root.mmioRead(barOf(1), 4)).toBe(0xffff_ffffn);
        yield* tree.root.mmioWrite(barOf(1) + 0x1000, 8, 1n);
        yield* tree.root.configWrite(ridOf(1), 4, 2, 6);
      })(),
    );
    // Of 32 writes of 128 bytes.
    expect(tree.root.state.writes).toBeGreaterThan(0);
    expect(tree.root.state.writes).toBeLessThan(32);
    expect(tree.memory.read(0x8000 + 4088, 8), 'the end of the transfer').toEqual(new Uint8Array(8).fill(0x11));
    expect(tree.transfer(0, BigInt(barOf(1)), READ), 'another device gets UR').toBe(0x16);
    expect([tree.links[0]!.top.pool.taken, tree.root.inFlight, tree.engine.pending]).toEqual([0, 0, 0]);
  });

  it('is as after power-on when it is put back: it has forgotten also what a reset of the bus leaves it.', () => {
    const { link, device } = new NvmeBoard();
    const { config } = device.functions[0]!;
    const severity = config.aer!.offset + 0x0c;
    config.write(severity, 4, 0x0010_0000);
    config.write(0x04, 2, 0x0006);
    link.goDown();
    link.goUp();
    expect([config.read(severity, 4), config.read(0x04, 2)]).toEqual([0x0010_0000, 0]);
    link.unplug();
    link.plug();
    expect(config.read(severity, 4)).toBe(0x0046_2030);
  });

  it('works when it is put back and told again where its registers are.', () => {
    const slot = new Slot(portOf(1));
    slot.unplug();
    slot.plug();
    expect(slot.tree.config(ridOf(1), 4, 2)).toBe(0);
    slot.tree.place(ridOf(1), barOf(1));
    expect(slot.tree.read(barOf(1), 4)).toBe(0x44_4d_41_01n);
  });
});
