// Rooms whose declarations have a reference page, and what tests prove of them. Paths of modules are below dist. Where a
// room is complete, every row is proven or has its reason, and a new one that is neither is refused.
export const ROOMS = {
  vtd: {
    page: 'docs/vtd.md',
    evidence: 'docs/evidence/vtd-proofs.json',
    rows: 'hardware/vtd/rows.js',
    reasons: 'hardware/vtd/spec/not-acted-on.ts',
    isComplete: true,
  },
  amdvi: {
    page: 'docs/amd-vi.md',
    evidence: 'docs/evidence/amdvi-proofs.json',
    rows: 'hardware/amdvi/rows.js',
    reasons: 'hardware/amdvi/spec/not-acted-on.ts',
    isComplete: true,
  },
};
