/**
 * What is declared of AMD-Vi, as the rows of docs/amd-vi.md: registers, structures, commands and events by their names,
 * fields as NAME.FIELD, conditions by the names of their faults. `mutants` knows them by the same names.
 */
import { Catalogue, type SharedFields } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import * as spec from './spec/index.ts';

const { V1_PDE, V1_PTE, V2_PDE, V2_PTE } = formats;

/** As in VT-d: of a command before its code is known, of a paging entry before it is known to be a leaf. */
const SHARED: SharedFields = [
  [spec.COMMAND_HEADER, spec.COMMAND_HEADER.$.fields],
  [V1_PTE, [V1_PTE.PR, V1_PTE.IR, V1_PTE.IW, V1_PDE.A, V1_PDE.NextLevel]],
  [V2_PTE, [V2_PTE.P, V2_PTE.RW, V2_PTE.US, V2_PTE.PWT, V2_PTE.PCD, V2_PTE.A, V2_PTE.D, V2_PTE.G, V2_PTE.NX]],
  [V2_PDE, [V2_PDE.PS]],
];

export const CATALOGUE = new Catalogue('AMD-Vi', [spec, formats], Object.values<spec.AmdFault>(spec.FAULTS), SHARED);
