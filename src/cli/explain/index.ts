/** `ioasim explain`: what becomes of a request at a moment, step by step. It changes nothing. */
import { Command } from 'commander';
import { type InterruptQuestion, QUALIFIERS, type Qualifier, type Question } from '../../../hardware/index.ts';
import { InputError, quote, suggest } from '../../machine/index.ts';
import { formatJson } from '../../recorder/index.ts';
import type { Scenario } from '../../scenario/index.ts';
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
import { collect } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { explanationLines, interruptLines } from './text.ts';

interface ExplainOptions extends MomentOptions {
  readonly requester?: string;
  readonly pasid?: string;
  readonly address?: string;
  readonly write?: true;
  readonly also?: readonly string[];
  readonly data?: string;
  readonly json?: true;
}

const LAST_PASID = 0xf_ffff;
const LAST_DATA = 0xffff_ffff;

export function explainCommand(own: readonly Scenario[], terminal: Terminal): Command {
  return withMomentOptions(new Command('explain'))
    .description('explain the translation of a request at a moment of a scenario or of a recorded case, step by step')
    .option('--requester <b:d.f>', 'who asks: bus:device.function, or the name of a device')
    .option('--pasid <n>', 'with this PASID')
    .option('--address <a>', 'for this address')
    .option('--write', 'for writing; else for reading')
    .option('--also <what>', `what else it says of itself: ${QUALIFIERS.join(', ')}`, collect)
    .option('--data <n>', 'an interrupt message with this data; its address is in 0xfee00000-0xfeefffff')
    .addHelpText(
      'after',
      '\nWith --dma N, or before a DMA step of a case, that very request is meant unless another one is given.',
    )
    .action(async (options: ExplainOptions) => {
      const moment = await reach(options, own);
      const { title, iommu, requesters } = moment;
      const who = (requester: number): string => requesterText(requester, requesters);
      if (options.data === undefined) {
        const explanation = iommu.explain(questionOf(options, moment));
        const lines = explanationLines(title, who(explanation.question.requester), explanation);
        say(terminal, options, { title, explanation, lines });
      } else {
        const explanation = iommu.explainInterrupt(interruptOf(options, moment));
        const lines = interruptLines(title, who(explanation.question.requester), explanation);
        say(terminal, options, { title, explanation, lines });
      }
    });
}

function say(
  terminal: Terminal,
  { json }: ExplainOptions,
  told: { readonly title: string; readonly explanation: object; readonly lines: readonly string[] },
): void {
  if (json) terminal.out(formatJson({ moment: told.title, ...told.explanation }));
  else for (const line of told.lines) terminal.out(line);
}

/** The request that was asked about, or else the one that stands before the IOMMU. */
function questionOf(options: ExplainOptions, { request, requesters }: Moment): Question {
  const { requester, pasid, address, write, also } = options;
  const says = [requester, pasid, address, write, also].some((option) => option !== undefined);
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
    ...(also === undefined ? {} : { also: also.map(readQualifier) }),
  };
}

function readQualifier(word: string): Qualifier {
  const known = QUALIFIERS.find((qualifier) => qualifier === word);
  if (known === undefined) throw new InputError(`A request does not say ${quote(word)}; ${suggest(word, QUALIFIERS)}`);
  return known;
}

/** The interrupt message that was asked about. */
function interruptOf(options: ExplainOptions, { requesters }: Moment): InterruptQuestion {
  const { requester, address, data, pasid, also } = options;
  if (requester === undefined || address === undefined) {
    const missing = requester === undefined ? '--requester B:D.F' : '--address A';
    throw new InputError(`Say which message is meant: ${missing} is missing (--requester B:D.F --address A --data N).`);
  }
  const at = readAddress(address);
  if (at >> 20n !== 0xfeen || at % 4n !== 0n || pasid !== undefined || also !== undefined) {
    throw new InputError(
      'An interrupt message (--data) is one DWORD within 0xfee00000-0xfeefffff, without --pasid and --also.',
    );
  }
  return {
    requester: readRequester(requester, requesters),
    address: at,
    data: readWhole('--data', data!, 0, LAST_DATA),
  };
}
