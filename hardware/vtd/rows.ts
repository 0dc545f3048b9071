/**
 * What is declared of VT-d, as the rows of docs/vtd.md: registers, structures and descriptors by the specification's
 * name, fields as NAME.FIELD, fault reasons by the name of their condition. `mutants` knows them by the same names.
 */
import { Catalogue, type SharedFields } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import * as spec from './spec/index.ts';

const { FS_PDE, FS_PTE, SS_PDE, SS_PTE } = formats;
const PID = spec.POSTED_INTERRUPT_DESCRIPTOR;

/**
 * Fields that hardware reads in one way for every kind of structure that has them: of a descriptor before it knows the
 * type, of a paging entry before it knows whether it is a leaf, of an interrupt before it knows the format. They are one
 * row, under the name of one of the kinds.
 */
const SHARED: SharedFields = [
  [spec.DESCRIPTOR_HEADER, spec.DESCRIPTOR_HEADER.$.fields],
  [
    SS_PTE,
    [SS_PTE.R, SS_PTE.W, SS_PTE.X, SS_PTE.A, SS_PTE.D, SS_PTE.SNP, SS_PTE.IR, SS_PTE.IW, SS_PTE.EMT, SS_PTE.IPAT],
  ],
  [SS_PDE, [SS_PDE.PS]],
  [
    FS_PTE,
    [FS_PTE.P, FS_PTE.RW, FS_PTE.US, FS_PTE.PWT, FS_PTE.PCD, FS_PTE.A, FS_PTE.EA, FS_PTE.D, FS_PTE.G, FS_PTE.XD],
  ],
  [FS_PDE, [FS_PDE.PS]],
  [spec.REMAPPABLE_MSI_ADDRESS, [spec.REMAPPABLE_MSI_ADDRESS.FORMAT]],
  [PID, [PID.PIR_63_0, PID.PIR_127_64, PID.PIR_191_128, PID.PIR_255_192, PID.ON, PID.SN, PID.NV]],
];

export const CATALOGUE = new Catalogue('VT-d', [spec, formats], Object.values<spec.Fault>(spec.FAULTS), SHARED);
