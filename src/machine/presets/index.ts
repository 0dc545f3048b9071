/** Machines that are ready to run, by name. Each is complete; a machine file or a setting changes what it names. */
import type { MachineSpec } from '../schema.ts';
import { AMD } from './amd.ts';
import { FABRICS } from './fabrics.ts';
import { HYPERTRIO_MACHINE } from './hypertrio.ts';
import { INTEL } from './intel.ts';
import { MEASURED } from './measured.ts';
import { plain, provenanceOf } from './stated.ts';

export type { Provenance } from './stated.ts';

const ALL = [...INTEL, ...MEASURED, HYPERTRIO_MACHINE, ...AMD, ...FABRICS];

export const presets: Readonly<Record<string, MachineSpec>> = Object.fromEntries(
  ALL.map((machine) => [machine.name, plain(machine)]),
);

/** Where the values of each preset come from. */
export const provenance = Object.fromEntries(ALL.map((machine) => [machine.name, provenanceOf(machine)]));
