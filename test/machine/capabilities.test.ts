/** Register values of real, recorded and ideal units. */
import { describe, expect, it } from 'vitest';
import { type AnyLayout, decode, undeclared } from '../../hardware/bits/index.ts';
import { CAP, ECAP } from '../../hardware/vtd/spec/index.ts';
import { buildMachine, intelCapabilities, presets } from '../../src/machine/index.ts';
import corpus from '../vectors/oracle/corpus-intel.json' with { type: 'json' };

type Fields = Readonly<Record<string, bigint>>;

const wordsOf = (text: string): Uint32Array => {
  const value = BigInt(text);
  return Uint32Array.of(Number(value & 0xffff_ffffn), Number(value >> 32n));
};
const fieldsOf = (of: AnyLayout, text: string): Fields => decode(of, wordsOf(text), -of.$.offset! / 4);
const reservedBits = (of: AnyLayout, text: string): number[] => {
  const words = wordsOf(text);
  return [...undeclared(of)].map((mask, i) => (mask & words[i]!) >>> 0);
};

/** A field, and those that must not be 0 where it is not: VT-d 11.4.2 and 11.4.3. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  FS1GP: ['FSTS'],
  FS5LP: ['FSTS'],
  PI: ['IR'],
  DT: ['QI'],
  IR: ['QI'],
  EIM: ['IR'],
  MHMV: ['IR'],
  NEST: ['SMTS', 'FSTS', 'SSTS'],
  PRS: ['DT', 'SMTS'],
  SRS: ['SMTS'],
  NWFS: ['DT'],
  EAFS: ['FSTS', 'SMPWCS'],
  PSS: ['SMTS'],
  PASID: ['SMTS'],
  DIT: ['DT'],
  PDS: ['DT'],
  SMTS: ['QI'],
  SSADS: ['SMPWCS'],
  FSTS: ['SMTS'],
  SMPWCS: ['SMTS'],
  RPS: ['SMTS'],
  RPRIVS: ['SRS'],
  SMS: ['PRS'],
  IRREQ: ['IR'],
};

describe('The modern unit', () => {
  const { cap, ecap } = intelCapabilities.modern;
  const fields = { ...fieldsOf(CAP, cap), ...fieldsOf(ECAP, ecap) };

  it('has everything that shared virtual memory asks for', () => {
    const wanted = [
      'SMTS',
      'PASID',
      'NEST',
      'PRS',
      'FS5LP',
      'SSADS',
      'FSTS',
      'SSTS',
      'SMPWCS',
      'RPS',
      'PT',
      'DT',
      'IR',
      'PI',
    ];
    expect(wanted.filter((name) => fields[name] === 0n)).toEqual([]);
    expect(fields).toMatchObject({
      SAGAW: 0b01100n,
      PSS: 19n,
      SSLPS: 3n,
      MGAW: 56n,
      ND: 6n,
      ERS: 0n,
      RWBF: 0n,
      CM: 0n,
    });
  });

  it('announces nothing without what it needs, and no reserved bit', () => {
    const missing = Object.entries(NEEDS).flatMap(([name, needed]) =>
      fields[name] === 0n
        ? []
        : needed.filter((other) => fields[other] === 0n).map((other) => `${name} without ${other}`),
    );
    expect(missing).toEqual([]);
    expect([...reservedBits(CAP, cap), ...reservedBits(ECAP, ecap)]).toEqual([0, 0, 0, 0]);
  });

  it('reads as it was worked out by hand', () => {
    expect(intelCapabilities.modern).toEqual({
      ver: '0x60',
      cap: '0xd9d2078c40780c06',
      ecap: '0x433ef9ea4f050df',
      hostAddressWidth: 52,
    });
  });
});

describe('Units of real machines', () => {
  it('say what is known of them', () => {
    const known = (name: keyof typeof intelCapabilities) => {
      const { cap, ecap } = intelCapabilities[name];
      return { ...fieldsOf(CAP, cap), ...fieldsOf(ECAP, ecap) };
    };
    expect(known('sandy-bridge-ep')).toMatchObject({
      C: 0n,
      MGAW: 47n,
      SAGAW: 4n,
      SSLPS: 3n,
      NFR: 7n,
      MAMV: 18n,
      QI: 1n,
      PSI: 1n,
    });
    expect(known('haswell-e3')).toMatchObject({ MGAW: 38n, SAGAW: 4n, SSLPS: 0n, DT: 0n });
    expect(known('broadwell-ep')).toMatchObject({ C: 1n, PI: 1n, SMTS: 0n });
    expect(known('alder-lake')).toMatchObject({ MGAW: 38n, SSLPS: 3n, SMTS: 0n });
    expect(known('alder-lake-graphics')).toMatchObject({ SMTS: 0n, PSI: 0n, DT: 1n, MGAW: 38n });
    expect(known('scalable-server')).toMatchObject({ SMTS: 1n, NEST: 1n, PRS: 0n, FSTS: 1n, SSTS: 1n });
  });

  it('can be booted on in every preset', () => {
    for (const name of Object.keys(presets)) {
      const machine = buildMachine(name);
      machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), name));
      // Each device is a group of its own; the two of a conventional bus share one.
      const { devices, rootPorts } = machine.spec;
      const expected = rootPorts.length === 0 ? devices.map(() => 1) : [1, 1, 1, 1, 2];
      expect([name, ...machine.kernel.iommu.groups.map(({ devices }) => devices.length)]).toEqual([name, ...expected]);
    }
  });

  it('have one line of description each', () => {
    for (const { description } of Object.values(presets)) expect(description).toMatch(/^[^\n]{20,120}\.$/);
  });
});

describe('Recorded units', () => {
  const names: Readonly<Record<string, keyof typeof intelCapabilities>> = {
    legacy48: 'qemu-legacy',
    legacy39: 'qemu-legacy-39',
    legacy48cm: 'qemu-caching-mode',
    legacy48dt: 'qemu-device-tlb',
    legacy48sc: 'qemu-snoop-control',
    s2_48: 'qemu-second-stage',
    s2_39: 'qemu-second-stage-39',
    s1_48: 'qemu-first-stage',
  };
  const profiles = corpus.profiles as Readonly<Record<string, { ver: string; cap: string; ecap: string; aw: number }>>;

  it.each(Object.keys(profiles))('have the values of profile %s', (profile) => {
    const { ver, cap, ecap, aw } = profiles[profile]!;
    expect(intelCapabilities[names[profile]!]).toEqual({ ver, cap, ecap, hostAddressWidth: aw });
  });
});
