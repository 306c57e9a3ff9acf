/** The steps of a diagnosis in words, and all of it as the text that a shell prints. */

import { TranslationBundle } from '@jupyterlab/translation';

import { Diagnosis, Step } from './api';
import { NBSP } from './format';

/** What a step is called. */
export function nameOf(step: Step, trans: TranslationBundle): string {
  const names: Record<Step['name'], string> = {
    configuration: trans.__('configuration'),
    resolve: trans.__('name'),
    connect: trans.__('connection'),
    key_exchange: trans.__('key exchange'),
    host_key: trans.__('host key'),
    login: trans.__('login'),
    destination: trans.__('destination'),
    tcp_forward: trans.__('TCP forwards'),
    socket_forward: trans.__('Unix sockets'),
    remote_forward: trans.__('remote forwards'),
    gateway_ports: trans.__('public bind')
  };
  // A newer server may have more of them.
  return names[step.name] ?? step.name;
}

/** What came of a step, in a word. */
export function verdictOf(
  { verdict }: Pick<Step, 'verdict'>,
  trans: TranslationBundle
): string {
  const verdicts: Record<Step['verdict'], string> = {
    ok: trans.__('ok'),
    note: trans.__('note'),
    failed: trans.__('FAILED')
  };
  return verdicts[verdict] ?? verdict;
}

/** As "12 ms" or "1.2 s". */
export function duration(seconds: number): string {
  return seconds < 0.9995
    ? `${(seconds * 1000).toFixed()}${NBSP}ms`
    : `${seconds.toFixed(1)}${NBSP}s`;
}

/** What all of it comes to. */
export function conclusion(
  { steps }: Diagnosis,
  trans: TranslationBundle
): string {
  const failed = steps.filter(({ verdict }) => verdict === 'failed');
  if (failed.length === 0) {
    return trans.__('Nothing failed.');
  }
  const names = [...new Set(failed.map(step => nameOf(step, trans)))];
  return trans._n(
    '%2 of %1 step failed: %3.',
    '%2 of %1 steps failed: %3.',
    steps.length,
    failed.length,
    names.join(', ')
  );
}

/** The steps at one hop. */
export interface Stage {
  hop: string;
  steps: Step[];
}

/** The steps, hop by hop. */
export function stages(steps: readonly Step[]): Stage[] {
  const found: Stage[] = [];
  for (const step of steps) {
    if (found.at(-1)?.hop !== step.hop) {
      found.push({ hop: step.hop, steps: [] });
    }
    found.at(-1)!.steps.push(step);
  }
  return found;
}

const MARGIN = ' '.repeat(8);

/** All of it, to be sent to whoever runs the host. */
export function asText(found: Diagnosis, trans: TranslationBundle): string {
  const lines = stages(found.steps).flatMap(({ hop, steps }) => [
    `${hop}:`,
    ...steps.flatMap(step => [
      firstLine(step, trans),
      ...step.details.map(detail => MARGIN + detail),
      ...(step.advice ? [`${MARGIN}→ ${step.advice}`] : [])
    ])
  ]);
  return [...lines, conclusion(found, trans), ''].join('\n');
}

function firstLine(step: Step, trans: TranslationBundle): string {
  const verdict = verdictOf(step, trans).padEnd(6);
  const name = nameOf(step, trans).padEnd(15);
  const time = duration(step.seconds).replace(NBSP, ' ').padStart(7);
  return `${verdict}  ${name} ${time}  ${step.says}`;
}
