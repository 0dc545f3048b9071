/**
 * Which declared refusals of the user API no test of a whole run has provoked. `test/refusals.ts` notes what each test has
 * seen, and `test/uapi/refusals.test.ts` what is declared.
 */
export function unprovoked(modules) {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const seen = new Set(tests.flatMap((test) => test.meta().refusals ?? []));
  const declared = tests.flatMap((test) => test.meta().declaredRefusals ?? []);
  return declared.filter((refusal) => !seen.has(refusal));
}

/** Nothing was left out, so that what is missing is missing. */
export async function isWholeRun(vitest, modules) {
  if (vitest.config.testNamePattern !== undefined) return false;
  const all = await vitest.globTestSpecifications();
  return modules.length === all.length;
}
