export { EDU, Edu, type EduSpec, type EduState } from './edu.ts';
