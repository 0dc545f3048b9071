/** What AMD-Vi feature registers and capability words make of a unit. */
import { describe, expect, it } from 'vitest';
import { Features } from '../../hardware/amdvi/features.ts';
import { proves } from '../proves.ts';

/** Of this value Linux says at boot: PPR X2APIC NX GT IA GA PC GA_vAPIC. */
const SERVER = 0x206d_73ef_2225_4aden;

describe('The features of a unit', () => {
  it('carry the names of the registers’ fields.', () => {
    const features = new Features({ efr: SERVER });
    const names = [
      'PreFSup',
      'PPRSup',
      'XTSup',
      'NXSup',
      'GTSup',
      'GAPPISup',
      'IASup',
      'GASup',
      'HESup',
      'PCSup',
    ] as const;
    const present = names.filter((name) => features.has(name));
    expect(present).toEqual(['PPRSup', 'XTSup', 'NXSup', 'GTSup', 'IASup', 'GASup', 'PCSup']);
    expect([features.value('HATS'), features.value('GATS'), features.value('GLXSup')]).toEqual([2, 0, 1]);
    expect([features.value('GAMSup'), features.value('PASMax')]).toEqual([1, 15]);
  });

  it('without more than EFR, are those of a unit with IOTLBs of devices and 52 bits of physical address.', () => {
    const features = new Features({ efr: 0n });
    expect(features.registers).toEqual({
      efr: 0n,
      efr2: 0n,
      capHeader: 0x190b_000f,
      miscInfo0: 0x0020_3440,
      miscInfo1: 0,
    });
    expect([features.has('IotlbSup'), features.has('EFRSup'), features.has('NpCache')]).toEqual([true, true, false]);
    expect([features.value('PAsize'), features.value('VAsize'), features.value('GVAsize')]).toEqual([52, 64, 0b010]);
    expect(features.hostAddressWidth).toBe(52);
    expect(new Features({ efr: 0n }, 48).hostAddressWidth).toBe(48);
  });

  it.each([
    [0x000n, 4],
    [0x400n, 5],
    [0x800n, 6],
    [0xc00n, 0],
  ])('EFR %s gives host tables of at most %s levels.', (efr, levels) => {
    expect(new Features({ efr }).hostLevels).toBe(levels);
  });

  it.each([
    [0x0000n, 4, 1],
    [0x5000n, 5, 2],
    [0xa000n, 5, 3],
    [0xf000n, 5, 3],
  ])('EFR %s gives guest tables of %s levels behind GCR3 tables of %s.', (efr, guest, gcr3) => {
    const features = new Features({ efr });
    expect([features.guestLevels, features.gcr3Levels]).toEqual([guest, gcr3]);
  });

  it.each([
    [0x00_0000_0000n, 1],
    [0x0f_0000_0000n, 0xffff],
    [0x13_0000_0000n, 0xf_ffff],
    [0x1f_0000_0000n, 0xf_ffff],
  ])('EFR %s gives PASIDs up to %s.', (efr, last) => {
    expect(new Features({ efr }).lastPasid).toBe(last);
  });

  it.each([
    [0x00_0000_0000n, 1],
    [0x40_0000_0000n, 2],
    [0x80_0000_0000n, 4],
    [0xc0_0000_0000n, 8],
  ])('EFR %s gives a device table of up to %s segments.', (efr, segments) => {
    expect(new Features({ efr }).deviceTableSegments).toBe(segments);
  });

  it('have 16 KiB of registers, and 512 KiB with counters.', () => {
    expect(new Features({ efr: 0n }).registerBytes).toBe(0x4000);
    expect(new Features({ efr: 0x200n }).registerBytes).toBe(0x8_0000);
  });

  it('lack what the capability header denies.', () => {
    proves('Misc Info 1.MsiNumGA');
    const bare = new Features({ efr: 0xffff_ffff_ffff_ffffn, efr2: 0xbfen, capHeader: 0x000b_000f, miscInfo1: 3 });
    expect([bare.has('GTSup'), bare.has('GCR3TRPModeSup'), bare.has('IotlbSup'), bare.value('MsiNumGA')]).toEqual([
      false,
      false,
      false,
      0,
    ]);
    const full = new Features({ efr: 0x10n, efr2: 0x8n, miscInfo1: 3 });
    expect([full.has('GTSup'), full.has('GCR3TRPModeSup'), full.value('MsiNumGA')]).toEqual([true, true, 3]);
  });
});
