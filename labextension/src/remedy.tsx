/** What mends a check: a button, and the form that it opens in its place. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Explanation } from './dialogs';
import { TunnelError } from './restapi';

/** Why it was not done. */
export type Wrong = Pick<TunnelError, 'message' | 'hint'>;

export function Remedy(
  props: React.PropsWithChildren<{
    /** Of the button that opens it. */
    label: string;
    /** Of the button that does it. */
    submit: string;
    /** Does it; fails with what is `Wrong`. */
    onSubmit: () => Promise<void>;
    trans: TranslationBundle;
  }>
): JSX.Element {
  const { children, label, onSubmit, submit, trans } = props;
  const [isOpen, setOpen] = React.useState<boolean | null>(null);
  const [error, setError] = React.useState<Wrong | null>(null);
  const form = React.useRef<HTMLFormElement>(null);
  const opener = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => {
    // Not the button of the form: who keeps Enter pressed would have done what they have not seen.
    form.current?.querySelector<HTMLElement>('[data-first-field]')?.focus();
    if (isOpen === false) {
      opener.current!.focus();
    }
  }, [isOpen]);

  if (!isOpen) {
    return (
      <button
        type="button"
        className="jp-mod-styled"
        ref={opener}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
    );
  }
  return (
    <form
      className="jp-RemoteTunnel-remedy"
      ref={form}
      onSubmit={event => {
        event.preventDefault();
        onSubmit().catch((error: Wrong) => setError(error));
      }}
    >
      {children}
      {error && <Explanation error={error} />}
      <div className="jp-RemoteTunnel-buttons">
        <button type="submit" className="jp-mod-styled jp-mod-accept">
          {submit}
        </button>
        <button
          type="button"
          className="jp-mod-styled jp-mod-reject"
          onClick={() => {
            setError(null);
            setOpen(false);
          }}
        >
          {trans.__('Back')}
        </button>
      </div>
    </form>
  );
}
