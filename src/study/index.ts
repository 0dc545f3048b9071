/** Studies: questions about a model, asked at every point of a grid. */
export { agrees, type Changes, gridOf, keyOf, parseChange, parseValue, SEED } from './grid.ts';
export { choice, formatBytes, type Limits, type Parameter, type Value, wholeNumber } from './parameter.ts';
export { curveOf, type PublishedValue, publishedAt } from './published.ts';
export { type Result, readResults, resultAt, resultsOf, toLine } from './results.ts';
export {
  type Curve,
  columnOf,
  type GridPoint,
  type Outcome,
  type Placed,
  type Plot,
  type PointOf,
  type Row,
  type Study,
  type StudyDefinition,
  study,
} from './study.ts';
