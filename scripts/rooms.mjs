// Rooms whose declarations have a reference page, and what tests prove of them. Paths of modules are below dist.
export const ROOMS = {
  vtd: {
    page: 'docs/vtd.md',
    evidence: 'docs/evidence/vtd-proofs.json',
    rows: 'hardware/vtd/rows.js',
    reasons: 'hardware/vtd/spec/not-acted-on.ts',
  },
  amdvi: {
    page: 'docs/amd-vi.md',
    evidence: 'docs/evidence/amdvi-proofs.json',
    rows: 'hardware/amdvi/rows.js',
    reasons: 'hardware/amdvi/spec/not-acted-on.ts',
  },
};
