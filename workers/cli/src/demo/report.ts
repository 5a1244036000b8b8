import type { Answered } from './ask.ts';

/** What `demo --json` ends with. */
export interface DemoReport {
  /** Published by the conversations; what the stages derived comes on top. */
  readonly events: number;
  readonly memories: number;
  readonly facts: number;
  readonly entities: number;
  readonly embeddings: number;
  readonly modelCalls: number;
  readonly seconds: number;
  readonly recalls: readonly Answered[];
}

/** The same for people. */
export function describeReport(report: DemoReport, logEvents: number): string {
  return [
    '',
    ...report.recalls.flatMap(({ tenant, question, answers }) => [
      `  ${tenant}: ${question}`,
      ...answers.map(({ content }, index) => `    ${index + 1}. ${content}`),
      '',
    ]),
    `  ${count(report.events)}  events published, ${logEvents.toLocaleString('en')} in the log with what was derived from them`,
    `  ${count(report.memories)}  memories that can be recalled`,
    `  ${count(report.facts)}  facts`,
    `  ${count(report.entities)}  entities`,
    `  ${count(report.embeddings)}  embeddings`,
    `  ${count(report.modelCalls)}  model calls = events that needed one; equal content was not paid for twice`,
    `  ${report.seconds.toFixed(1).padStart(8)}  seconds`,
  ].join('\n');
}

/** How to go on while the fleet runs. */
export function describeWhatNext(stateDir: string, { recalls }: DemoReport): string {
  const [first] = recalls;
  return [
    '',
    'The fleet stays up. There is no console yet; from another terminal:',
    `  memfleet status --state ${stateDir}`,
    `  memfleet recall --state ${stateDir} ${first?.tenant ?? '<tenant>'} ${JSON.stringify(first?.question ?? '<query>')}`,
    '',
    'Ctrl-C ends it.',
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en').padStart(8);
}
