/** Packages that ioasim can do without: what needs one says so when it is not there. */
import { InputError } from '../machine/index.ts';

/** What `load` imports. Throws an InputError for a package that is not installed. */
export async function optional<T>(name: string, purpose: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
    if (!isMissing) throw error;
    throw new InputError(`${purpose} needs the package "${name}", which is not installed: npm install ${name}.`);
  }
}
