/** What would become of an interrupt message (VT-d 5.1.4, 5.2.3). Asking changes nothing. */
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
  COMPATIBILITY_MSI_ADDRESS,
  COMPATIBILITY_MSI_DATA,
  EVENT_UPPER_ADDRESS,
  type Fault,
  GSTS,
  InterruptFormat,
  IRTA,
  REMAPPABLE_MSI_ADDRESS,
  REMAPPABLE_MSI_DATA,
} from '../spec/index.ts';
import type { VtdUnit } from '../unit.ts';
import { entryLayout } from './entries.ts';
import { explainedFault } from './faults.ts';

/** `registers` are those of the unit, decoded. */
export function explainInterrupt(
  question: InterruptQuestion,
  unit: VtdUnit,
  memory: PhysicalMemory,
  registers: readonly EntryView[],
): InterruptExplanation {
  const { requester, address, data } = question;
  const message = new InterruptMessage<Fault>().ask(requester, highOf(address), lowOf(address), data);
  message.effects = false;
  const explainer = new Explainer(entryLayout);
  overhear(unit, explainer, memory, () => unit.walkInterrupt(message));
  const steps = [...requestSteps(question), ...circumstances(unit, registers), ...explainer.steps];
  return { question, steps, result: interruptResultOf(message, explainedFault, DELIVERED) };
}

/** The message as its sender wrote it. */
function requestSteps({ address, data }: InterruptQuestion): ExplanationStep[] {
  const at = Uint32Array.of(lowOf(address));
  const isRemappable = REMAPPABLE_MSI_ADDRESS.FORMAT.get(at) === InterruptFormat.REMAPPABLE;
  const steps: ExplanationStep[] = [
    { kind: 'request', ...entryView(isRemappable ? REMAPPABLE_MSI_ADDRESS : COMPATIBILITY_MSI_ADDRESS, at, 0) },
  ];
  if (!isRemappable) steps.push({ kind: 'request', ...entryView(COMPATIBILITY_MSI_DATA, Uint32Array.of(data), 0) });
  else if (REMAPPABLE_MSI_ADDRESS.SHV.isSet(at)) {
    steps.push({ kind: 'request', ...entryView(REMAPPABLE_MSI_DATA, Uint32Array.of(data), 0) });
  }
  return steps;
}

/** What decides before any table is looked at. */
function circumstances({ registers: { words }, capabilities }: VtdUnit, all: readonly EntryView[]): ExplanationStep[] {
  const isOn = capabilities.has('IR') && GSTS.IRES.isSet(words);
  const shown = isOn ? [GSTS.$.name, IRTA.$.name] : [GSTS.$.name];
  const steps = registerSteps(all, shown);
  if (!isOn) steps.push({ kind: 'note', text: 'Interrupt remapping is off.' });
  return steps;
}

const DELIVERED = { upper: EVENT_UPPER_ADDRESS, address: COMPATIBILITY_MSI_ADDRESS, data: COMPATIBILITY_MSI_DATA };
