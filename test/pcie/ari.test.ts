/** Alternative routing ids: functions above 7, and those of the next buses. */
import { beforeEach, describe, expect, it } from 'vitest';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  Bridge,
  bridgeConfig,
  ConfigSpace,
  Endpoint,
  LINK,
  ROOT_COMPLEX,
  RootComplex,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { findExtended } from './config-functions.ts';

const PORT = 0x00e0;
const BUS = 5;
/** The physical function, and how many virtual ones. */
const PHYSICAL = BUS << 8;
const VFS = 300;
const DEVICE_CONTROL_2 = 0x28;
const ARI_FORWARDING_ENABLE = 0x20;
const COMMAND = 0x04;

describe('Behind a root port a device with 300 virtual functions', () => {
  let engine: Engine;
  let root: RootComplex;
  let bridge: Bridge;
  let device: DmaEngine;

  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script));
  const write = (rid: number, at: number, size: number, value: number) => run(root.configWrite(rid, at, size, value));
  /** Whether somebody takes a write of the command register: virtual functions have no ids of their own to show. */
  const isThere = (rid: number): boolean => {
    write(rid, COMMAND, 2, 0b100);
    return run(root.configRead(rid, COMMAND, 2)) === 0b100;
  };

  beforeEach(() => {
    engine = new Engine();
    const controller = new MemoryController(engine, new PhysicalMemory([[0, 2 ** 20]]), {
      latency: 100,
      bytesPerNanosecond: 16,
    });
    root = new RootComplex(engine, controller, ROOT_COMPLEX);
    bridge = new Bridge('port', new ConfigSpace(bridgeConfig('root port')), PORT);
    const link = root.link(LINK, 'link');
    root.addPort(PORT, bridge, link);
    device = new DmaEngine(engine, { ...DMA_ENGINE, name: 'dma', requester: 0, vfs: VFS });
    new Endpoint(engine, link.bottom, device.functions);
    bridge.number(0, BUS, BUS + 1);
    write(PHYSICAL, COMMAND, 2, 0b100);
    const sriov = findExtended(device.function.config, 0x10);
    write(PHYSICAL, sriov + 0x10, 2, VFS);
    write(PHYSICAL, sriov + 0x08, 2, 0b1_0001);
  });

  const forward = () => {
    const at = bridge.config.pciExpress!.offset + DEVICE_CONTROL_2;
    write(PORT, at, 2, ARI_FORWARDING_ENABLE);
  };

  it('is asked for functions 0 to 7 only, until the port takes the device number as a part of the function number', () => {
    const asked = [1, 7, 8, 0x80, 0xff];
    const there = () => asked.filter((fn) => isThere(PHYSICAL | fn));
    expect(there()).toEqual([1, 7]);
    forward();
    expect(there()).toEqual(asked);
  });

  it('has the rest of them on the next bus, where any number goes without more', () => {
    const there = [0, 8, 0x2c, 0x2d, 0xff].filter((fn) => isThere(((BUS + 1) << 8) | fn));
    expect(there).toEqual([0, 8, 0x2c]);
    expect(device.functions.at(-1)!.requester).toBe(0x062c);
  });

  it('says that it has such functions, and a port that leads nowhere else that it can pass them', () => {
    expect(device.function.config.ari).not.toBeNull();
    const few = new DmaEngine(engine, { ...DMA_ENGINE, name: 'few', requester: 0, vfs: 7 });
    expect(few.function.config.ari).toBeNull();
    const supported = (kind: 'root port' | 'downstream port' | 'upstream port') => {
      const config = new ConfigSpace(bridgeConfig(kind));
      return (config.read(config.pciExpress!.offset + 0x24, 4) >>> 5) & 1;
    };
    expect([supported('root port'), supported('downstream port'), supported('upstream port')]).toEqual([1, 1, 0]);
  });

  it('is found by function and not by bus: its number is whatever the last write of type 0 said', () => {
    bridge.number(0, 9, 10);
    expect(run(root.configRead(0x0900, 0, 4))).toBe(device.function.config.read(0, 4));
    write(0x0900, COMMAND, 2, 0b100);
    expect(device.functions[VFS]!.requester).toBe(0x0a2c);
    expect(isThere(0x0a2c)).toBe(true);
    expect(isThere(0x0a2d)).toBe(false);
  });
});
