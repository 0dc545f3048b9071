/**
 * Intel VT-d, architecture specification revision 5.10: registers, structures in memory, descriptors and fault reasons,
 * as data. Names are the specification's; its deprecated bits and those of earlier revisions are left undeclared, so
 * they count as reserved. What hardware does about all this is said elsewhere.
 */
export type { Capability, FieldName, IgnoredFor, Needs, ReservedWithout } from './capability.ts';
export * from './descriptors.ts';
export * from './entries/index.ts';
export * from './fault-hints.ts';
export * from './faults.ts';
export * from './not-acted-on.ts';
export * from './registers/index.ts';
