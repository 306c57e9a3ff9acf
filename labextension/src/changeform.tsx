/** A change to Jupyter's configuration: shown as it would be, and then written. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Change } from './api';
import { Remedy } from './remedy';

export function ChangeForm(props: {
  change: Change;
  /** Has it written; fails with a `TunnelError`. */
  onWrite: (change: Change) => Promise<void>;
  trans: TranslationBundle;
}): JSX.Element {
  const { change, onWrite, trans } = props;
  return (
    <Remedy
      label={trans.__('Change…')}
      submit={trans.__('Write')}
      onSubmit={() => onWrite(change)}
      trans={trans}
    >
      <p>{trans.__('This would be changed in %1:', change.file)}</p>
      <div className="jp-RemoteTunnel-lines">
        <pre
          tabIndex={0}
          data-first-field
          aria-label={trans.__('Change of %1', change.setting)}
        >
          {change.lines.map((line, index) =>
            line.startsWith('-') ? (
              <del key={index}>{line}</del>
            ) : (
              <ins key={index}>{line}</ins>
            )
          )}
        </pre>
      </div>
      <p>
        {change.at_once
          ? trans.__('It counts as soon as it is written.')
          : trans.__('It counts when Jupyter is started again.')}
      </p>
    </Remedy>
  );
}
