/** `ioasim explain`: what becomes of a request at a moment, step by step. It changes nothing. */
import { Command } from 'commander';
import type { Question } from '../../../hardware/index.ts';
import { InputError } from '../../machine/index.ts';
import type { Scenario } from '../../scenario/index.ts';
import { toJson } from '../json.ts';
import {
  type Moment,
  type MomentOptions,
  reach,
  readAddress,
  readRequester,
  readWhole,
  requesterText,
  withMomentOptions,
} from '../moment/index.ts';
import type { Terminal } from '../terminal.ts';
import { explanationLines } from './text.ts';

interface ExplainOptions extends MomentOptions {
  readonly requester?: string;
  readonly pasid?: string;
  readonly address?: string;
  readonly write?: true;
  readonly json?: true;
}

const LAST_PASID = 0xf_ffff;

export function explainCommand(own: readonly Scenario[], terminal: Terminal): Command {
  return withMomentOptions(new Command('explain'))
    .description('explain the translation of a request at a moment of a scenario or of a recorded case, step by step')
    .option('--requester <b:d.f>', 'who asks: bus:device.function, or the name of a device')
    .option('--pasid <n>', 'with this PASID')
    .option('--address <a>', 'for this address')
    .option('--write', 'for writing; else for reading')
    .addHelpText(
      'after',
      '\nWith --dma N, or before a DMA step of a case, that very request is meant unless another one is given.',
    )
    .action(async (options: ExplainOptions) => {
      const moment = await reach(options, own);
      const question = questionOf(options, moment);
      const explanation = moment.iommu.explain(question);
      if (options.json) terminal.out(toJson({ moment: moment.title, ...explanation }));
      else {
        const who = requesterText(question.requester, moment.requesters);
        for (const line of explanationLines(moment.title, who, explanation)) terminal.out(line);
      }
    });
}

/** The request that was asked about, or else the one that stands before the IOMMU. */
function questionOf(options: ExplainOptions, { request, requesters }: Moment): Question {
  const { requester, pasid, address, write } = options;
  const says = requester !== undefined || pasid !== undefined || address !== undefined || write === true;
  if (!says && request !== null) return request;
  if (requester === undefined || address === undefined) {
    const missing = requester === undefined ? '--requester B:D.F' : '--address A';
    throw new InputError(
      `Say which request is meant: ${missing} is missing (--requester B:D.F [--pasid N] --address A [--write]).`,
    );
  }
  return {
    requester: readRequester(requester, requesters),
    pasid: pasid === undefined ? -1 : readWhole('--pasid', pasid, 0, LAST_PASID),
    address: readAddress(address),
    write: write === true,
  };
}
