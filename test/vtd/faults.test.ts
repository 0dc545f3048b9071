/** Holds the table of faults against the rows of the specification's tables 30 and 15. */
import { describe, expect, it } from 'vitest';
import { type Answer, type Answers, FAULTS, type Fault, faultsWithCode } from '../../hardware/vtd/spec/index.ts';
import table from '../vectors/vtd/fault-table.json' with { type: 'json' };

const SYMBOLS: Readonly<Record<string, Answer | null>> = {
  '--': null,
  UR: 'UR',
  CA: 'CA',
  S0: 'no rights',
  'S0+': 'no rights, recorded',
  EP: 'effective rights',
  IR: 'invalid request',
  drop: 'drop',
};

const rows = table.rows.map((row) => {
  const [name, code, qualified, ...answers] = row.split(/ +/);
  return { name: name!, code: Number.parseInt(code!, 16), qualified: qualified === 'Y', answers };
});
const faults: readonly Fault[] = Object.values<Fault>(FAULTS);

/** In the order of the table's columns. */
function columns({ untranslated, translation, translated, pageRequest }: Answers): (Answer | null)[] {
  return [...untranslated, ...translation, ...translated, pageRequest[1], pageRequest[0]];
}

describe('Fault reasons', () => {
  it.each(rows)(
    '$name has the code, the qualification and the answers of its row.',
    ({ name, code, qualified, answers }) => {
      const fault = faults.find((one) => one.name === name)!;
      expect(fault.code).toBe(code);
      expect(fault.qualified).toBe(qualified);
      expect(columns(fault.answer)).toEqual(answers.map((symbol) => SYMBOLS[symbol]));
    },
  );

  it('are exactly the rows of the two tables, in the order of table 30 and then of table 15.', () => {
    const inTable30 = (name: string) => rows.findIndex((row) => row.name === name);
    expect(faults.map((fault) => fault.name).sort()).toEqual(rows.map((row) => row.name).sort());
    for (const mode of ['legacy', 'scalable', 'interrupt'] as const) {
      const places = faults.filter((fault) => fault.mode === mode).map((fault) => inTable30(fault.name));
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  });

  it('have keys that spell the name of the condition.', () => {
    for (const [key, fault] of Object.entries<Fault>(FAULTS)) {
      if (fault.mode !== 'interrupt') expect(key).toBe(fault.name.replaceAll('.', '_'));
    }
  });

  it('that share a code are all found by it.', () => {
    expect(faultsWithCode(0x03).map((fault) => fault.name)).toEqual(['LCT.4.1', 'LCT.4.2', 'LCT.4.3']);
    expect(faultsWithCode(0x05).map((fault) => fault.name)).toEqual(['LGN.2']);
    expect(faultsWithCode(0x00)).toEqual([]);
  });
});
