/** Takes the types out of a TypeScript source without moving a line; TypeScript that is more than types is refused. */
import { transformSync } from 'amaro';

/** Returns JavaScript; throws a SyntaxError of one sentence that names the file and the line. */
export function stripTypes(source: string, path: string): string {
  try {
    return transformSync(source, { mode: 'strip-only' }).code;
  } catch (report) {
    throw new SyntaxError(summarise(String(report), path));
  }
}

/** The stripper throws a drawing of the place; this takes the sentence and the line number out of it. */
function summarise(report: string, path: string): string {
  const reason = /^\s*x\s+(.+)$/m.exec(report)?.[1] ?? 'This is not valid TypeScript';
  const line = /-\[(\d+):\d+\]/.exec(report)?.[1] ?? /^\s*(\d+) \|/m.exec(report)?.[1];
  return line === undefined ? `${reason} in ${path}` : `${reason} in ${path}, line ${line}`;
}
