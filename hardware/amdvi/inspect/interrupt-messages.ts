/** What would become of an interrupt message. Asking changes nothing. */
import { highOf, lowOf } from '../../bits/index.ts';
import {
  type EntryView,
  Explainer,
  type ExplanationStep,
  entryView,
  type InterruptExplanation,
  InterruptMessage,
  type InterruptQuestion,
  interruptResultOf,
  overhear,
  registerSteps,
} from '../../iommu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  type AmdFault,
  CONTROL,
  INTERRUPT_ADDRESS,
  INTERRUPT_DATA,
  INTERRUPT_UPPER_ADDRESS,
  REMAPPED_INTERRUPT_DATA,
} from '../spec/index.ts';
import type { AmdViUnit } from '../unit.ts';
import { entryLayout } from './entries.ts';
import { explainedFault } from './faults.ts';

/** `registers` are those of the unit, decoded. */
export function explainInterrupt(
  question: InterruptQuestion,
  unit: AmdViUnit,
  memory: PhysicalMemory,
  registers: readonly EntryView[],
): InterruptExplanation {
  const { requester, address, data } = question;
  const { words } = unit.registers;
  const message = new InterruptMessage<AmdFault>().ask(requester, highOf(address), lowOf(address), data);
  message.effects = false;
  const hasLongIds = CONTROL.XTEn.isSet(words);
  const explainer = new Explainer((what, entry) => entryLayout(what, entry, hasLongIds));
  overhear(unit, explainer, memory, () => unit.walkInterrupt(message));
  const steps: ExplanationStep[] = [
    { kind: 'request', ...entryView(INTERRUPT_ADDRESS, Uint32Array.of(lowOf(address)), 0) },
    { kind: 'request', ...entryView(INTERRUPT_DATA, Uint32Array.of(data), 0) },
    { kind: 'request', ...entryView(REMAPPED_INTERRUPT_DATA, Uint32Array.of(data), 0) },
    ...registerSteps(registers, [CONTROL.$.name]),
    ...explainer.steps,
  ];
  if (!CONTROL.IommuEn.isSet(words))
    steps.push({ kind: 'note', text: 'The unit is off: interrupts pass as they are.' });
  else if (message.fault === null && !isLookedUp(explainer.steps)) {
    steps.push({ kind: 'note', text: 'Its device table entry lets this interrupt pass as it is.' });
  }
  return { question, steps, result: interruptResultOf(message, explainedFault, DELIVERED) };
}

/** An interrupt table had a say. */
function isLookedUp(steps: readonly ExplanationStep[]): boolean {
  return steps.some(
    (step) =>
      (step.kind === 'cache' && step.cache === 'interrupt table cache') ||
      (step.kind === 'read' && step.what === 'IRTE'),
  );
}

const DELIVERED = { upper: INTERRUPT_UPPER_ADDRESS, address: INTERRUPT_ADDRESS, data: INTERRUPT_DATA };
