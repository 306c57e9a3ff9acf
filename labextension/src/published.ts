/** What is published of this Jupyter, in words. */

import { TranslationBundle } from '@jupyterlab/translation';

import { Publication } from './api';
import { joined } from './format';
import { IPublicationManager } from './tokens';

/** What is said of one in a line: "Published: jupyter.example.org". */
export function titleOf(
  { name }: Publication,
  trans: TranslationBundle
): string {
  return trans.__('Published: %1', name);
}

/** What there is to be said where nobody can be asked any more. */
export function lossOfWay(trans: TranslationBundle): string {
  return trans.__('This way in is closed or lost.');
}

/** Who is connected and until when; or why it is not shown. */
export function summaryOf(
  publication: Publication,
  { problem }: Pick<IPublicationManager, 'problem'>,
  trans: TranslationBundle
): string {
  const { state, until, visitors } = publication;
  const parts =
    problem || state !== 'shown'
      ? [stateOf(publication, problem !== null, trans)]
      : [trans.__('%1 connected', visitors.length)];
  return joined([...parts, trans.__('until %1', timeOf(until))]);
}

/** What it is doing. */
export function stateOf(
  { state }: Publication,
  isUnknown: boolean,
  trans: TranslationBundle
): string {
  if (isUnknown) {
    return trans.__('Jupyter does not tell');
  }
  const labels: Record<Publication['state'], string> = {
    opening: trans.__('not shown yet'),
    shown: trans.__('shown'),
    reconnecting: trans.__('connection lost, not shown now'),
    checking: trans.__('checked again, not shown now'),
    held_back: trans.__('held back: a check failed'),
    ended: trans.__('ended')
  };
  // A newer server may have more of them.
  return labels[state] ?? state;
}

/** A moment (ISO 8601) to the minute, with its date if that is not today's. */
export function timeOf(moment: string): string {
  const date = new Date(moment);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString([], { timeStyle: 'short' })
    : date.toLocaleString([], { dateStyle: 'short', timeStyle: 'short' });
}

/** What became of it, for those who had it last longer. */
export function extended(
  { name, until }: Publication,
  trans: TranslationBundle
): string {
  return trans.__('%1 is published until %2', name, timeOf(until));
}
