import { describe, expect, it } from 'vitest';
import { Engine } from '../../hardware/sim/index.ts';
import { Recorder } from '../../src/recorder/index.ts';
import { narrate } from '../../src/scenario/narration.ts';

function told(tell: (recorder: Recorder) => void): string[] {
  const names = { requester: () => 'evil0', register: () => undefined, layout: () => undefined };
  const recorder = new Recorder(new Engine(), names as unknown as ConstructorParameters<typeof Recorder>[1]);
  const lines: string[] = [];
  narrate(recorder, (line) => lines.push(line.trim()));
  tell(recorder);
  return lines;
}

function fault(recorder: Recorder, name: string): void {
  const details = { requester: 'evil0', pasid: -1, address: 0x1000n, write: true, recorded: true };
  recorder.record('fault', 'iommu0', { code: 2, name, ...details });
}

describe('the narration', () => {
  it('tells five faults of a kind in a row, and how many more there were before anything else', () => {
    const lines = told((recorder) => {
      for (let i = 0; i < 7; i++) fault(recorder, 'LCT.2');
      recorder.record('note', 'scenario', { text: 'That was all.' });
    });
    expect(lines).toHaveLength(7);
    expect(lines.slice(0, 5).every((line) => line.startsWith('! iommu0: fault 0x2 LCT.2'))).toBe(true);
    expect(lines.slice(5)).toEqual(['! and 2 more of this kind', 'That was all.']);
  });

  it('counts anew for another kind, and after a step', () => {
    const lines = told((recorder) => {
      for (let i = 0; i < 5; i++) fault(recorder, 'LCT.2');
      fault(recorder, 'LGN.3');
      recorder.record('step', 'scenario', { number: 1, text: 'Again.' });
      fault(recorder, 'LGN.3');
    });
    expect(lines.filter((line) => line.startsWith('! iommu0'))).toHaveLength(7);
    expect(lines.some((line) => line.includes('more of this kind'))).toBe(false);
  });
});
