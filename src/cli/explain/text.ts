/** An explanation as numbered steps for a reader. */
import type {
  Explanation,
  ExplanationResult,
  ExplanationStep,
  InterruptExplanation,
  InterruptResult,
} from '../../../hardware/index.ts';
import { hex } from '../../machine/index.ts';
import { sizeText, wrap } from '../../recorder/index.ts';
import { entryLines, fieldsText } from '../../scenario/index.ts';

const WIDTH = 110;

/** `who` is the requester as it is called here. */
export function explanationLines(title: string, who: string, { question, steps, result }: Explanation): string[] {
  const { pasid, address, write, also = [] } = question;
  const withPasid = pasid < 0 ? '' : ` with PASID ${pasid}`;
  const numbered = steps.flatMap((step, i) => numberedLines(i + 1, stepLines(step)));
  return [
    title,
    `${who} ${write ? 'writes' : 'reads'} ${hex(address)}${withPasid}${also.length === 0 ? '' : ` (${also.join(', ')})`}`,
    '',
    ...numbered,
    ...numberedLines(steps.length + 1, resultLines(question.address, result)),
  ];
}

/** The same of an interrupt message. */
export function interruptLines(
  title: string,
  who: string,
  { question, steps, result }: InterruptExplanation,
): string[] {
  const { address, data } = question;
  return [
    title,
    `${who} sends the interrupt message ${hex(address)} with data ${hex(data)}`,
    '',
    ...steps.flatMap((step, i) => numberedLines(i + 1, stepLines(step))),
    ...numberedLines(steps.length + 1, interruptResultLines(result)),
  ];
}

function stepLines(step: ExplanationStep): string[] {
  switch (step.kind) {
    case 'request':
    case 'register':
      return [`${step.what} = ${hex(step.value)}: ${fieldsText(step.fields, true)}`];
    case 'read':
      return entryLines(step).map((line, i) => (i === 0 ? `reads ${line}` : line));
    case 'cache':
      return [`${step.cache}: ${step.hit ? 'hit' : 'miss'} (${inHex(step.detail)})`];
    case 'note':
      return wrap(step.text, WIDTH);
  }
}

/** Numbers in a text as everything else is written here. */
function inHex(text: string): string {
  return text.replace(/\b\d{2,}\b/g, (digits) => hex(BigInt(digits)));
}

function resultLines(asked: bigint, result: ExplanationResult): string[] {
  if (result.ok) {
    const { address, pageBytes, read, write, snoop } = result;
    const rights = [read ? 'read' : '', write ? 'write' : ''].filter((right) => right !== '').join(' and ');
    return [
      `Translated: ${hex(asked)} is ${hex(address)}, in a page of ${sizeText(pageBytes)}; ` +
        `allowed: ${rights === '' ? 'nothing' : rights}${snoop ? '; snoops whatever the request says' : ''}.`,
    ];
  }
  return blockedLines(result);
}

function interruptResultLines(result: InterruptResult): string[] {
  if (!result.ok) return blockedLines(result);
  const { message } = result;
  if (message === null) return ['Posted: the interrupt is recorded in its descriptor, and no processor is notified.'];
  return [
    `Delivered: message ${hex(message.address)} with data ${hex(message.data)}:`,
    fieldsText(message.fields, true),
  ];
}

function blockedLines({ fault, answer }: ExplanationResult & { readonly ok: false }): string[] {
  if (fault === null) return [`Blocked without a fault. Answer to the device: ${answer}.`];
  const { code, name, meaning, stage, hint, recorded } = fault;
  return [
    `Blocked: fault ${hex(code)} ${name} (${stage}): ${meaning}.`,
    `Answer to the device: ${answer}. ${recorded ? 'The fault is recorded.' : 'The fault is not recorded.'}`,
    ...wrap(`Check: ${hint}${/[.?!]$/.test(hint) ? '' : '.'}`, WIDTH),
  ];
}

function numberedLines(number: number, lines: readonly string[]): string[] {
  return lines.map((line, i) => (i === 0 ? `${String(number).padStart(2)}. ${line}` : `    ${line}`));
}
