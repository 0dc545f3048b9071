/** A moment in a recorded case: before one of its steps, or after the last. */
import { readFileSync } from 'node:fs';
import { createRig, NotSupported, type Rig } from '../../../hardware/index.ts';
import { InputError, suggest } from '../../machine/index.ts';
import { type Corpus, CorpusError, parseCorpus, type RecordedCase } from '../replay/corpus.ts';
import { replayCase } from '../replay/replay.ts';
import type { Moment } from './moment.ts';

/** What `FILE#ID` or `FILE#ID:STEP` names. */
export function caseMoment(word: string): Moment {
  const [, file, id, number] = /^(.+)#([^#:]+)(?::([^#:]*))?$/.exec(word) ?? [];
  if (file === undefined || id === undefined) {
    throw new InputError(`--case takes FILE#ID or FILE#ID:STEP, not "${word}".`);
  }
  const corpus = readCorpus(file);
  const recorded = caseOf(corpus, file, id);
  const last = recorded.steps.length;
  const step = number === undefined ? last : /^\d+$/.test(number) ? Number(number) : -1;
  if (!(step >= 0 && step <= last)) {
    throw new InputError(`Case ${id} has the steps 0 to ${last - 1}, and ${last} is its end: there is no "${number}".`);
  }
  const when = step === last ? `after its ${last} steps` : `before step ${step} (${recorded.steps[step]!.op})`;
  return {
    title: `case ${id} (${recorded.profile}), ${when}`,
    iommu: rigBefore(corpus, recorded, step).inspect(),
    request: requestOf(corpus, recorded, step),
    requesters: new Map(Object.entries(corpus.platform.devices).map(([name, { sid }]) => [name, sid])),
    components: {},
  };
}

/** A rig that has done the steps before `step`. */
function rigBefore(corpus: Corpus, recorded: RecordedCase, step: number): Rig {
  let rig: Rig | null = null;
  const before = { ...recorded, steps: recorded.steps.slice(0, step) };
  const make: typeof createRig = (options) => {
    rig = createRig(options);
    return rig;
  };
  try {
    replayCase(corpus, before, make, () => {});
  } catch (error) {
    if (!(error instanceof NotSupported)) throw error;
    throw new InputError(`Case ${recorded.id} cannot be run: ${error.message}.`);
  }
  return rig!;
}

/** The request of a step that is a DMA. */
function requestOf(corpus: Corpus, { steps }: RecordedCase, index: number): Moment['request'] {
  const step = steps[index];
  if (step?.op !== 'dma') return null;
  const requester = corpus.platform.devices[step.dev]!.sid;
  return { requester, pasid: -1, address: step.iova, write: step.rw === 'w' };
}

function caseOf({ cases }: Corpus, file: string, id: string): RecordedCase {
  const found = cases.find((recorded) => recorded.id === id);
  if (found !== undefined) return found;
  const [first, last] = [cases[0]?.id, cases.at(-1)?.id];
  const near = cases.map((recorded) => recorded.id).filter((name) => name.includes(id));
  const meant =
    near.length > 0 && near.length <= 4 ? suggest(id, near) : `it has ${cases.length}, from ${first} to ${last}.`;
  throw new InputError(`There is no case "${id}" in ${file}; ${meant}`);
}

function readCorpus(file: string): Corpus {
  try {
    return parseCorpus(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof CorpusError) throw new InputError(`${file}: ${error.message}.`);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new InputError(code === 'ENOENT' ? `There is no file "${file}".` : `"${file}" cannot be read (${code}).`);
  }
}
