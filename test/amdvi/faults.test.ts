/** Every condition that blocks an access, through tables, registers and requests, to the words in the event log. */
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../hardware/amdvi/spec/index.ts';
import { proves } from '../proves.ts';
import { ALL_CACHES, Bench, DEVICE, GT_EN, NO_CACHES, outcome } from './bench.ts';
import { CONDITIONS, type Condition, rowOf } from './conditions.ts';

const named = (list: readonly Condition[]) => list.map((one) => [one.name, one] as const);

function arranged({ options, arrange }: Condition, caches = NO_CACHES): Bench {
  const bench = new Bench({ ...options, caches });
  arrange(bench);
  return bench.enable(GT_EN);
}

const access = (bench: Bench, { ask }: Condition) =>
  ask.write === true ? bench.write(ask.address, ask) : bench.read(ask.address, ask);

/** What an event says, by its code. */
const FIELDS: Readonly<Record<string, string>> = {
  1: 'DeviceID PASID_19_16 PASID_15_0 GN RW RZ EventCode Address',
  2: 'DeviceID PASID_19_16 DomainID GN NX US I PR RW PE RZ EventCode Address',
  3: 'DeviceID RW Type EventCode Address',
  4: 'DeviceID PASID_19_16 DomainID GN RW Type EventCode Address',
  8: 'DeviceID PASID_19_16 PASID_15_0 GN US Type EventCode Address',
};

const fieldsOf = (one: Condition): string[] => {
  const [event] = rowOf(one).split('.');
  return FIELDS[`${one.event[0] >> 60n}`]!.split(' ').map((field) => `${event}.${field}`);
};

describe('A request that is blocked', () => {
  it.each(named(CONDITIONS))('is answered and logged: %s.', (_, one) => {
    proves(rowOf(one), ...fieldsOf(one));
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = arranged(one, caches);
      // With caches the second and the third request meet what the first has left there.
      for (let n = 0; n < 3; n++) {
        const result = access(bench, one);
        expect(result).toMatchObject({ ok: false, status: one.answer ?? 'CA', fault: { name: rowOf(one) } });
        expect(bench.events()).toEqual([one.event]);
      }
    }
  });

  const translated = CONDITIONS.filter(({ translation }) => translation !== undefined);
  it.each(named(translated))('gets no translation either: %s.', (_, one) => {
    const { address, pasid, privileged } = one.ask;
    const request = {
      requester: DEVICE,
      address,
      noWrite: true,
      ...(pasid === undefined ? {} : { pasid }),
      ...(privileged === undefined ? {} : { privileged }),
    };
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = arranged(one, caches);
      if (one.translation !== 'no rights') proves(`${rowOf(one).split('.')[0]}.TR`);
      for (let n = 0; n < 2; n++) {
        const result = bench.rig.translationRequest(request);
        if (one.translation === 'no rights') {
          expect(result).toMatchObject({ ok: true, completion: { read: false, write: false, execute: false } });
          expect(bench.events()).toEqual([]);
        } else {
          expect(result).toMatchObject({ ok: false, status: one.translation, fault: { name: rowOf(one) } });
          // TR is 1, and RW says that no permission to write was asked for.
          const [lo, hi] = one.event;
          expect(bench.events()).toEqual([[(lo | (1n << 56n)) & ~(1n << 53n), hi]]);
        }
      }
    }
  });

  // That a flag could not be written is found only by writing it.
  const asked = CONDITIONS.filter(({ name }) => name !== 'PAGE_TAB_HARDWARE_ERROR.UPDATE');
  it.each(named(asked))('as a question alone is answered the same and leaves no trace: %s.', (_, one) => {
    const bench = arranged(one, ALL_CACHES);
    const length = one.ask.data?.length ?? 4;
    const { data, ...ask } = one.ask;
    expect(outcome(bench.ask(ask.address, { ...ask, length, probe: true }))).toBe(rowOf(one));
    expect(bench.events()).toEqual([]);
  });

  it('is one of those that are tried here, or an interrupt or a translation request.', () => {
    const tried = new Set(CONDITIONS.map(rowOf));
    const left = Object.values(FAULTS).filter(({ name }) => !tried.has(name));
    expect(left.map(({ name }) => name)).toEqual([
      'INVALID_DEVICE_REQUEST.TRANSLATION_SPECIAL',
      'INVALID_DEVICE_REQUEST.TRANSLATION_DISABLED',
      'IO_PAGE_FAULT.INTERRUPT_INDEX',
      'IO_PAGE_FAULT.INTERRUPT_OFF',
      'IO_PAGE_FAULT.INTERRUPT_RESERVED',
      'PAGE_TAB_HARDWARE_ERROR.INTERRUPT_READ',
      'PAGE_TAB_HARDWARE_ERROR.INTERRUPT_BACKING_PAGE',
      'IO_PAGE_FAULT.INTERRUPT_ABORTED',
    ]);
  });
});
