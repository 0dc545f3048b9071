/** Secondary Bus Reset and devices that are pulled out, with requests under way: nobody hangs, and nothing is left over. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms, ns, type Script, us } from '../../hardware/sim/index.ts';
import { barOf, portOf, ROOT_PORT, ridOf, Tree } from './tree.ts';

const BRIDGE_CONTROL = 0x3e;
const SECONDARY_BUS_RESET = 0x40;
const ID = 0xd3a0;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
/** The DMA engine's registers and commands. */
const ADDRESS = 0x08;
const LENGTH = 0x10;
const COMMAND = 0x18;
const STATUS = 0x1c;
const BUFFER = 0x1000;
const READ = 1;
const WRITE = 3;
const DONE = 2;
const UR = 0x16;

const taken = (tree: Tree): number => tree.links[0]!.top.pool.taken;

function* start(tree: Tree, n: number, address: number, command: number): Script {
  const { root } = tree;
  yield* root.mmioWrite(barOf(n) + ADDRESS, 8, BigInt(address));
  yield* root.mmioWrite(barOf(n) + LENGTH, 4, 4096n);
  yield* root.mmioWrite(barOf(n) + COMMAND, 4, BigInt(command));
}

const hold = (tree: Tree, rid: number, on: boolean): Script =>
  tree.root.configWrite(rid, BRIDGE_CONTROL, 2, on ? SECONDARY_BUS_RESET : 0);

describe('A reset of the bus below', () => {
  it('a root port, with DMA and a read of the CPU under way, resets everything below, and the CPU reads all ones.', () => {
    const tree = new Tree().bringUp();
    const { engine, root } = tree;
    let read: bigint | undefined;
    tree.run(
      (function* () {
        for (const n of [0, 1, 2]) yield* start(tree, n, n * 0x1000, n === 1 ? WRITE : READ);
        yield us(1);
        engine.spawn(
          (function* () {
            read = yield* root.mmioRead(barOf(2) + STATUS, 8);
          })(),
        );
        yield ns(300);
        yield* hold(tree, ROOT_PORT, true);
        expect(tree.devices.map(({ state }) => state.transfers)).toEqual([0, 0, 0]);
        yield ms(100);
        expect(read).toBe(ALL_ONES);
        yield* hold(tree, ROOT_PORT, false);
      })(),
    );
    expect([taken(tree), root.inFlight]).toEqual([0, 0]);
    expect(tree.config(ridOf(0), 4) & 0xffff, 'nobody has numbered the buses yet').toBe(0xffff);
    tree.bringUp();
    expect(tree.transfer(0, 0x1000n, READ) & DONE).toBe(DONE);
    expect(taken(tree)).toBe(0);
  });

  it('a port of a switch resets what is below it, and the other ports go on.', () => {
    const tree = new Tree().bringUp();
    tree.write(barOf(0) + BUFFER, 8, 0x1234n);
    tree.write(barOf(1) + BUFFER, 8, 0x5678n);
    tree.configure(portOf(0), BRIDGE_CONTROL, 2, SECONDARY_BUS_RESET);
    expect(tree.config(ridOf(0), 0), 'while it is held').toBe(0xffff_ffff);
    expect(tree.read(barOf(0) + BUFFER)).toBe(ALL_ONES);
    expect(tree.read(barOf(1) + BUFFER)).toBe(0x5678n);
    tree.configure(portOf(0), BRIDGE_CONTROL, 2, 0);
    expect(tree.config(ridOf(0), 0) & 0xffff).toBe(ID);
    expect(tree.config(ridOf(0), 4) & 0xffff, 'COMMAND is as after a reset').toBe(0);
    tree.place(ridOf(0), barOf(0));
    expect(tree.read(barOf(0) + BUFFER)).toBe(0n);
    expect(taken(tree)).toBe(0);
  });

  it('answers a request of another device for what is below with UR.', () => {
    const tree = new Tree().bringUp();
    tree.configure(portOf(1), BRIDGE_CONTROL, 2, SECONDARY_BUS_RESET);
    expect(tree.transfer(0, BigInt(barOf(1) + BUFFER), READ)).toBe(UR);
    expect(taken(tree)).toBe(0);
  });

  it('below a PCI bridge resets the devices of the bus alone.', () => {
    const tree = new Tree().bringUp();
    const { bridge, bus } = tree.addPciBridge('bridge', tree.links[0]!.bottom);
    expect(bus.isUp).toBe(true);
    const { config } = tree.bridges.get('bridge')!;
    config.write(BRIDGE_CONTROL, 2, SECONDARY_BUS_RESET);
    expect([bus.isUp, tree.links[0]!.isUp]).toEqual([false, true]);
    config.write(BRIDGE_CONTROL, 2, 0);
    expect([bus.isUp, bridge.state.refused]).toEqual([true, 0]);
  });
});

describe('A device that is pulled out', () => {
  it('leaves a read of the CPU that was on its way to end by the completion time-out, 50 ms later.', () => {
    const tree = new Tree().bringUp();
    const { engine, root } = tree;
    const pulled = tree.links.find(({ name }) => name === 'port 2')!;
    tree.run(
      (function* () {
        const before = engine.now;
        engine.spawn(
          (function* () {
            yield ns(400);
            pulled.goDown();
          })(),
        );
        expect(yield* root.mmioRead(barOf(2) + STATUS, 4)).toBe(0xffff_ffffn);
        const waited = Number(engine.now) - Number(before);
        expect(waited).toBeGreaterThan(Number(ms(50)));
        expect(waited).toBeLessThan(Number(ms(51)));
      })(),
    );
    expect(tree.read(barOf(2) + STATUS, 4), 'from now on the port answers').toBe(0xffff_ffffn);
    expect([taken(tree), root.inFlight]).toEqual([0, 0]);
  });

  it('costs no time where nothing is lost: the engine has nothing to wait for.', () => {
    const tree = new Tree().bringUp();
    tree.links[1]!.goDown();
    const before = tree.engine.now;
    tree.engine.run();
    expect([tree.engine.now, tree.engine.pending]).toEqual([before, 0]);
  });
});

describe('At any instant', () => {
  it('a reset of any bus, held for any time, leaves no request waiting and no TLP over.', () => {
    fc.assert(
      fc.property(fc.nat(6000), fc.nat(3), fc.nat(3000), fc.boolean(), (at, which, held, pull) => {
        const tree = new Tree().bringUp();
        const { engine, root } = tree;
        const rid = which === 3 ? ROOT_PORT : portOf(which);
        const link = tree.links.find(({ name }) => name === (which === 3 ? 'root port' : `port ${which}`))!;
        let ended = 0;
        tree.run(
          (function* () {
            yield* start(tree, 0, 0x1000, READ);
            yield* start(tree, 1, 0x8000, WRITE);
            yield* start(tree, 2, barOf(1) + BUFFER, READ);
            for (const n of [0, 1, 2]) {
              engine.spawn(
                (function* () {
                  for (let i = 0; i < 8; i++) yield* root.mmioRead(barOf(n) + STATUS, 4);
                  yield* root.configRead(ridOf(n), 0, 4);
                  yield* root.mmioWrite(barOf(n) + COMMAND, 4, 0n);
                  ended++;
                })(),
              );
            }
            yield ns(at);
            if (pull) link.goDown();
            else yield* hold(tree, rid, true);
            yield ns(held);
            if (pull) link.goUp();
            else yield* hold(tree, rid, false);
          })(),
        );
        expect([ended, taken(tree), root.inFlight, engine.pending]).toEqual([3, 0, 0, 0]);
        tree.bringUp();
        for (const n of [0, 1, 2]) expect(tree.read(barOf(n), 4)).toBe(0x44_4d_41_01n);
      }),
      { numRuns: 60 },
    );
  });
});
