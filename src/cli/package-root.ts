/** Where this package lies. */
import { existsSync } from 'node:fs';

/** From src/cli/ as from dist/src/cli/, the nearest folder above that has a package.json; nothing where there is none. */
export function packageRoot(): URL | undefined {
  const above = ['../../', '../../../'].map((up) => new URL(up, import.meta.url));
  return above.find((folder) => existsSync(new URL('package.json', folder)));
}
