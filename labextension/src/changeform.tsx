/** A change to Jupyter's configuration: shown as it would be, and then written. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Change } from './api';
import { Explanation } from './dialogs';
import { TunnelError } from './restapi';

export function ChangeForm(props: {
  change: Change;
  /** Has it written; fails with a `TunnelError`. */
  onWrite: (change: Change) => Promise<void>;
  trans: TranslationBundle;
}): JSX.Element {
  const { change, onWrite, trans } = props;
  const [isOpen, setOpen] = React.useState(false);
  const [error, setError] = React.useState<TunnelError | null>(null);
  const lines = React.useRef<HTMLPreElement>(null);
  // Not the button: who keeps Enter pressed would have written what they have not seen.
  React.useEffect(() => lines.current?.focus(), [isOpen]);

  const write = async (): Promise<void> => {
    try {
      await onWrite(change);
    } catch (error) {
      setError(error as TunnelError);
    }
  };

  if (!isOpen) {
    return (
      <button
        type="button"
        className="jp-mod-styled"
        onClick={() => setOpen(true)}
      >
        {trans.__('Change…')}
      </button>
    );
  }
  return (
    <form
      className="jp-RemoteTunnel-remedy"
      onSubmit={event => {
        event.preventDefault();
        void write();
      }}
    >
      <p>{trans.__('This would be changed in %1:', change.file)}</p>
      <div className="jp-RemoteTunnel-lines">
        <pre
          ref={lines}
          tabIndex={0}
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
      {error && <Explanation error={error} />}
      <button type="submit" className="jp-mod-styled jp-mod-accept">
        {trans.__('Write')}
      </button>
    </form>
  );
}
