import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ioasim } from './capture.ts';

const CORPUS = fileURLToPath(new URL('../vectors/oracle/corpus-amd.json', import.meta.url));
const at = (moment: string): readonly string[] => ['--case', `${CORPUS}#${moment}`];

async function said(...args: string[]): Promise<string> {
  const { code, out, err } = await ioasim(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return `${out}\n`;
}

describe('a recorded case of AMD-Vi', () => {
  it('is explained as it was reviewed', async () => {
    await expect(await said('explain', ...at('amd-0201-skip:9'))).toMatchFileSnapshot(
      '../golden/explain-amd-0201-skip.txt',
    );
  });

  it('shows its tables, its rings and its caches as they were reviewed', async () => {
    const views = ['tables', 'queue', 'logs', 'caches'];
    const shown = await Promise.all(views.map((view) => said('inspect', view, ...at('amd-0448-cmd'))));
    await expect(shown.join('\n')).toMatchFileSnapshot('../golden/inspect-amd-0448-cmd.txt');
  });

  it('says of a blocked request what to check', async () => {
    const out = await said('explain', ...at('amd-0046-perm:9'));
    expect(out).toMatch(
      /Blocked: fault 0x2 IO_PAGE_FAULT\.DENIED \(host tables\): IR or IW of a host entry is missing\./,
    );
    expect(out).toMatch(/Completer Abort. The fault is recorded\.\n +Check: IR and IW of the last entry/);
  });

  it('knows its registers by name in any case', async () => {
    const out = await said('inspect', 'registers', 'command buffer base', ...at('amd-0448-cmd'));
    expect(out).toMatch(/^Command Buffer Base at offset 0x8 = 0x800000000020000$/m);
  });

  it('says of an interrupt whose device table entry does not count for interrupts that it passes', async () => {
    const message = ['--requester', 'a', '--address', '0xfee00000', '--data', '0x31'];
    const out = await said('explain', ...at('amd-0201-skip'), ...message);
    expect(out).toContain('Its device table entry lets this interrupt pass as it is.');
  });
});
