import { isWholeRun, unprovoked } from './refusals.mjs';

/**
 * A vitest reporter that closes the run with one plain line, `N passed, N failed`, for people and scripts that count. Before
 * it stand the exemptions of the contract suites, which unit need not pass which test and why, and after a whole run the
 * declared refusals of the user API that no test has provoked: each counts as a failure.
 */
export default class ClosingLineReporter {
  onInit(vitest) {
    this.vitest = vitest;
  }

  async onTestRunEnd(modules, unhandledErrors) {
    const exemptions = [];
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      const before = count.failed;
      for (const test of module.children.allTests()) {
        count[test.result().state]++;
        const { exemption } = test.meta();
        if (exemption !== undefined) exemptions.push(exemption);
      }
      // A file that cannot be loaded, or a hook that throws, fails the run without failing any test.
      if (module.state() === 'failed' && count.failed === before) count.failed++;
    }
    const missing = (await isWholeRun(this.vitest, modules)) ? unprovoked(modules) : [];
    if (missing.length > 0) process.exitCode = 1;
    count.failed += missing.length;
    const skipped = count.skipped + count.pending;
    this.exemptions = exemptions.map(({ vendor, test, reason }) => `Exempted: ${vendor}: "${test}": ${reason}.\n`);
    this.missing = missing.map((refusal) => `Nothing provokes: ${refusal}.\n`);
    this.line = `${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    if (!this.registered)
      process.once('exit', () =>
        process.stdout.write(`${this.exemptions.join('')}${this.missing.join('')}${this.line}\n`),
      );
    this.registered = true;
  }
}
