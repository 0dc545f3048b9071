/** Runs before every test file: switches off the one row that `npm run prove` names, before anything is declared. */
import { mutants } from '../hardware/bits/layout.ts';

const row = process.env['IOASIM_SWITCHED_OFF'];
if (row !== undefined && row !== '') mutants.off = new Set([row]);
