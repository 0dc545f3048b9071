/** The enhanced and the virtual command interface (vtd.md sections 1.15, 1.16), with literal register values. */
import { describe, expect, it } from 'vitest';
import { finish } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';
import { proves } from '../proves.ts';
import { type Capability, capabilities } from './capability.ts';
import { Bench } from './tables.ts';

const PMEN = 0x64;
const ECMD = 0x400;
const ECEO = 0x408;
const ECRSP = 0x410;
const ECCAP = [0x430, 0x438, 0x440, 0x448] as const;
const VCMD = 0xe00;
const VCMD_EO = 0xe08;
const VCRSP = 0xe10;
const VCCAP = 0xe30;
/** First counter: PERFCFGOFF is at 310h, EN is bit 0. */
const PERFCFGOFF = 0x310;

const ENABLE = 0xf0n;
const DISABLE = 0xf1n;
const FREEZE = 0xf4n;
const UNDEFINED = 1n << 1n;
const ABORTED = 2n << 1n;
const FAILED = 16n << 1n;
const IN_PROGRESS = 1n;

const all = { ecmds: true, pms: true, plmr: true } as const;

/** A unit whose own work waits until it is let go on. */
function held(capability: Capability = all) {
  const memory = new PhysicalMemory();
  const unit = new VtdUnit(
    {
      capabilities: capabilities(capability),
      hostAddressWidth: 48,
      faultCompression: true,
      iotlb: null,
      contextCache: null,
    },
    { memory, raiseMsi: () => {} },
  );
  const pending: Parameters<typeof unit.run>[0][] = [];
  unit.run = (walk) => pending.push(walk);
  const goOn = (): void => {
    for (const walk of pending.splice(0)) finish(walk, memory);
  };
  return { unit, goOn };
}

describe('The enhanced command registers', () => {
  it('do not exist without CAP.ECMDS, and report no command without performance monitoring.', () => {
    proves('CAP_REG.ECMDS');
    const none = new Bench();
    none.set(ECMD, ENABLE, 8).set(ECEO, -1n, 8);
    expect([none.get(ECMD, 8), none.get(ECEO, 8), none.get(ECRSP, 8)]).toEqual([0n, 0n, 0n]);
    const bare = new Bench({ ecmds: true });
    expect(ECCAP.map((offset) => bare.get(offset, 8))).toEqual([0n, 0n, 0n, 0n]);
    expect(bare.set(ECMD, ENABLE, 8).get(ECRSP, 8)).toBe(UNDEFINED);
  });

  it('report the commands F0h to F5h of performance monitoring, and take no write into what they report.', () => {
    proves('ECCAP_REG_3.ECNTS', 'ECCAP_REG_3.DCNTS', 'ECCAP_REG_3.RCFGS');
    proves('ECCAP_REG_3.RCNTS', 'ECCAP_REG_3.FCNTS', 'ECCAP_REG_3.UFCNTS');
    const bench = new Bench(all);
    for (const offset of [ECRSP, 0x420, 0x428, ...ECCAP]) bench.set(offset, -1n, 8);
    expect(ECCAP.map((offset) => bench.get(offset, 8))).toEqual([0n, 0n, 0n, 0x3fn << 48n]);
    expect([ECRSP, 0x420, 0x428].map((offset) => bench.get(offset, 8))).toEqual([0n, 0n, 0n]);
  });

  it('give nothing back of a command and its operands.', () => {
    const bench = new Bench(all).set(ECEO, -1n, 8).set(ECMD, -1n, 8);
    expect([bench.get(ECMD, 8), bench.get(ECEO, 8), bench.get(ECRSP, 8)]).toEqual([0n, 0n, UNDEFINED]);
  });
});

describe('An enhanced command', () => {
  it('is undefined unless ECCAP reports it, whatever its number.', () => {
    proves('ECMD_REG.CMD', 'ECRSP_REG.SC');
    const bench = new Bench(all);
    const defined: number[] = [];
    for (let command = 0; command < 256; command++) {
      // A counter that does not exist, so that no command changes anything for the others.
      bench.set(ECMD, (0xffffn << 16n) | BigInt(command), 8);
      const answer = bench.get(ECRSP, 8);
      if (answer !== UNDEFINED) defined.push(command);
      expect([UNDEFINED, FAILED, 0n]).toContain(answer);
    }
    expect(defined).toEqual([0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5]);
  });

  it('starts with the lower half: the upper half alone does nothing, and counts when the lower half comes.', () => {
    proves('ECMD_REG.OA');
    const bench = new Bench(all);
    bench.set(ECMD, DISABLE);
    expect(bench.get(ECRSP, 8)).toBe(0n);
    bench.set(ECMD + 4, 1n);
    expect(bench.get(ECRSP, 8)).toBe(0n);
    bench.set(ECMD, DISABLE);
    expect(bench.get(ECRSP, 8), 'counter 10000h').toBe(FAILED);
    bench.set(ECMD, DISABLE, 8);
    expect(bench.get(ECRSP, 8), 'counter 0').toBe(0n);
  });

  it('written as 8 bytes has both halves before it starts.', () => {
    const bench = new Bench(all).set(ECMD, (1n << 63n) | DISABLE, 8);
    expect(bench.get(ECRSP, 8)).toBe(FAILED);
  });

  it('clears the last response and shows IP until it is done; what is written in between is dropped.', () => {
    proves('ECRSP_REG.IP');
    const { unit, goOn } = held();
    unit.write(ECMD, 8, 0xffn);
    goOn();
    expect(unit.read(ECRSP, 8)).toBe(UNDEFINED);
    unit.write(ECMD, 8, FREEZE);
    expect(unit.read(ECRSP, 8)).toBe(IN_PROGRESS);
    unit.write(ECMD, 8, (1n << 40n) | 0xffn);
    unit.write(ECMD + 4, 4, 0xffffn);
    unit.write(ECEO, 8, -1n);
    goOn();
    expect(unit.read(ECRSP, 8), 'the freeze was carried out').toBe(0n);
    // The upper half that was dropped is not there: this is a command on counter 0.
    unit.write(ECMD, 4, DISABLE);
    goOn();
    expect(unit.read(ECRSP, 8)).toBe(0n);
    goOn();
    expect(unit.read(ECRSP, 8), 'nothing was kept for later').toBe(0n);
  });

  it('is aborted while a change of the protected regions is under way.', () => {
    const { unit, goOn } = held();
    unit.write(PMEN, 4, 0x8000_0000n);
    unit.write(ECMD, 8, FREEZE);
    expect([unit.read(PMEN, 4), unit.read(ECRSP, 8)]).toEqual([0x8000_0000n, ABORTED]);
    goOn();
    expect([unit.read(PMEN, 4), unit.read(ECRSP, 8)]).toEqual([0x8000_0001n, ABORTED]);
    unit.write(ECMD, 8, FREEZE);
    goOn();
    expect(unit.read(ECRSP, 8)).toBe(0n);
  });

  it('that a reset overtakes is given up, and the registers take commands again.', () => {
    const { unit, goOn } = held();
    unit.write(ECMD, 8, 0xffn);
    unit.reset();
    expect(unit.read(ECRSP, 8)).toBe(0n);
    goOn();
    expect(unit.read(ECRSP, 8)).toBe(0n);
    unit.write(ECMD, 8, 0xffn);
    goOn();
    expect(unit.read(ECRSP, 8)).toBe(UNDEFINED);
  });

  it('acts on the counter that operand A names, and fails where there is none.', () => {
    const bench = new Bench(all);
    const configurations = Number(bench.get(PERFCFGOFF));
    const counters = Number(bench.get(0x300, 8) & 0xffffn);
    for (let counter = 0; counter < counters; counter++) {
      const at = configurations + counter * 0x100;
      // The event iotlb_lookup: group 3, bit 0.
      bench.set(at, (1n << 32n) | (3n << 8n), 8);
      bench.set(ECMD, (BigInt(counter) << 16n) | ENABLE, 8);
      expect([bench.get(ECRSP, 8), bench.get(at) & 1n]).toEqual([0n, 1n]);
    }
    for (const counter of [BigInt(counters), 0xffffn, 1n << 32n, (1n << 48n) - 1n]) {
      for (const command of [ENABLE, DISABLE]) {
        expect(bench.set(ECMD, (counter << 16n) | command, 8).get(ECRSP, 8)).toBe(FAILED);
      }
    }
  });
});

describe('The virtual command registers', () => {
  it('are reserved: hardware reports ECAP.VCS as 0.', () => {
    const bench = new Bench();
    for (const offset of [VCMD, VCMD_EO, VCRSP, VCCAP]) {
      expect(bench.set(offset, -1n, 8).get(offset, 8), offset.toString(16)).toBe(0n);
    }
  });

  it('of a unit with VCS report no command and call each undefined.', () => {
    proves('ECAP_REG.VCS', 'VCMD_REG.CMD', 'VCMD_REG.OA', 'VCMD_EO_REG.OB', 'VCRSP_REG.SC');
    const bench = new Bench({ vcs: true });
    expect(bench.get(VCCAP, 8)).toBe(0n);
    bench.set(VCMD_EO, 0x1234_5678_9abc_def0n, 8);
    for (let command = 0n; command < 256n; command++) {
      bench.set(VCMD, (0x5_4321n << 16n) | command, 8);
      expect([bench.get(VCMD, 8), bench.get(VCRSP, 8)]).toEqual([(0x5_4321n << 16n) | command, UNDEFINED]);
    }
    expect(bench.get(VCMD_EO, 8)).toBe(0x1234_5678_9abc_def0n);
  });

  it('drop what is written while IP is set.', () => {
    proves('VCRSP_REG.IP');
    const { unit, goOn } = held({ vcs: true });
    unit.write(VCMD, 8, 0x1_0001n);
    expect(unit.read(VCRSP, 8)).toBe(IN_PROGRESS);
    unit.write(VCMD, 8, 0x2_0002n);
    unit.write(VCMD_EO, 8, 7n);
    goOn();
    expect([unit.read(VCMD, 8), unit.read(VCMD_EO, 8), unit.read(VCRSP, 8)]).toEqual([0x1_0001n, 0n, UNDEFINED]);
  });
});

describe('What is declared only', () => {
  it('has no registers while its capability is 0: MTRRs and RDT.', () => {
    const bench = new Bench();
    for (const offset of [0x100, 0x108, 0x120, 0x138, 0x170, 0x180, 0x188, 0x218, 0xdc0]) {
      expect(bench.set(offset, -1n, 8).get(offset, 8), offset.toString(16)).toBe(0n);
    }
  });
});
