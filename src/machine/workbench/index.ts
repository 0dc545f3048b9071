/** IOMMUs on a workbench: what reads cost, by caches, tables and vendor. */
export { type CachesSpec, ways } from './caches.ts';
export { PATTERNS, type Pattern } from './patterns.ts';
export { STAGES, type Stages } from './spaces.ts';
export { measureTenants, type TenantsSpec, type TenantsTraffic } from './tenants.ts';
export { measureReads, type WorkbenchReads, type WorkbenchSpec } from './workbench.ts';
