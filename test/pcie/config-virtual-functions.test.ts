import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  type FunctionBehaviour,
  LINK,
  PcieFunction,
  ROOT_COMPLEX,
  RootComplex,
  virtualFunction,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { EVERYTHING, findExtended } from './config-functions.ts';

const RID = 0x0008;
const ARRAY = 0xe000_0000;

/** Answers reads with its name, and counts its resets. */
class Named implements FunctionBehaviour {
  resets = 0;
  readonly #name: number;
  constructor(name: number) {
    this.#name = name;
  }
  memoryRead(_bar: number, offset: number, into: Uint8Array): void {
    into[0] = this.#name;
    into[1] = offset;
  }
  memoryWrite(): void {}
  completion(): void {}
  functionLevelReset(): void {
    this.resets++;
  }
}

describe('Virtual functions on a link', () => {
  let engine: Engine;
  let rootComplex: RootComplex;
  let physical: PcieFunction;
  let virtual: PcieFunction[];
  let behaviours: Named[];
  let at: number;

  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script));
  const configure = (rid: number, offset: number, size: number, value: number) =>
    run(rootComplex.configWrite(rid, offset, size, value));
  const look = (rid: number, offset: number) => run(rootComplex.configRead(rid, offset, 4));
  const load = (address: number) => Number(run(rootComplex.mmioRead(address, 2)));

  beforeEach(() => {
    engine = new Engine();
    const memory = new PhysicalMemory([[0, 2 ** 20]]);
    const controller = new MemoryController(engine, memory, { latency: 100, bytesPerNanosecond: 16 });
    rootComplex = new RootComplex(engine, controller, ROOT_COMPLEX);
    behaviours = [0, 1, 2].map((name) => new Named(name));
    physical = new PcieFunction({ ...EVERYTHING, name: 'nic', requester: RID }, behaviours[2]!);
    virtual = [0, 1].map((index) => virtualFunction(physical, index, behaviours[index]!));
    rootComplex.connect(LINK, [physical, ...virtual]);
    at = findExtended(physical.config, 0x10);
    configure(RID, at + 0x24, 4, ARRAY);
    configure(RID, at + 0x28, 4, 0);
    configure(RID, at + 0x10, 2, 2);
  });

  it('are named after the physical one, and lie at its offset and stride', () => {
    expect(virtual.map(({ name, requester }) => [name, requester])).toEqual([
      ['nic.vf0', 0x0088],
      ['nic.vf1', 0x008a],
    ]);
    expect(look(RID, 0x0c) & 0x0080_0000, 'one function is not several').toBe(0);
  });

  it('are there once VF Enable is set', () => {
    expect(look(0x0088, 0x48)).toBe(0xffff_ffff);
    configure(RID, at + 0x08, 2, 0x0001);
    expect([look(0x0088, 0x00), look(0x0088, 0x48), look(0x008c, 0x48)]).toEqual([0xffff_ffff, 0, 0xffff_ffff]);
  });

  it('answer each at its own part of the array', () => {
    expect(load(ARRAY + 0x1010)).toBe(0xffff);
    configure(RID, at + 0x08, 2, 0x0009);
    expect([load(ARRAY + 0x1010), load(ARRAY + 0x5020), load(ARRAY + 0x8000)]).toEqual([0x1000, 0x2001, 0xffff]);
  });

  it('are reset one by one, and all of them with VF Enable', () => {
    configure(RID, at + 0x08, 2, 0x0009);
    configure(0x0088, 0x48, 2, 0x8000);
    expect(behaviours.map(({ resets }) => resets)).toEqual([1, 0, 0]);
    configure(RID, at + 0x08, 2, 0);
    expect(behaviours.map(({ resets }) => resets)).toEqual([2, 1, 0]);
    expect(load(ARRAY + 0x1010)).toBe(0xffff);
  });
});
