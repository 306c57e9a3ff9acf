/** A line of what was found: of a diagnosis, or of the checks before this Jupyter is published. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Check, Step } from './api';
import { verdictIcon } from './icons';
import { verdictOf } from './steps';

export function Finding(
  props: React.PropsWithChildren<{
    found: Check | Step;
    name: string;
    /** How long it took, if that is told. */
    time?: string;
    /** The button that mends it. */
    remedy?: React.ReactNode;
    trans: TranslationBundle;
  }>
): JSX.Element {
  const { children, found, name, remedy, time, trans } = props;
  const Icon = verdictIcon(found.verdict).react;
  return (
    <li
      className="jp-RemoteTunnel-step"
      data-verdict={found.verdict}
      data-timed={time !== undefined}
    >
      <span className="jp-RemoteTunnel-verdict">
        <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
        {verdictOf(found, trans)}
      </span>
      <span className="jp-RemoteTunnel-stepName">{name}</span>
      {time !== undefined && (
        <span className="jp-RemoteTunnel-seconds">{time}</span>
      )}
      <div className="jp-RemoteTunnel-says">
        <p>{found.says}</p>
        {children}
        {found.advice && (
          <p className="jp-RemoteTunnel-advice">
            <span aria-hidden="true">→ </span>
            {found.advice}
          </p>
        )}
        {remedy}
      </div>
    </li>
  );
}
