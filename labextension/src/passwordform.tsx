/** Setting the password of this Jupyter. What is typed is kept in the fields alone. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Explanation } from './dialogs';
import { TunnelError } from './restapi';

export function PasswordForm(props: {
  /** Where it is written to. */
  file: string;
  /** Sets it; fails with a `TunnelError`. */
  onSet: (password: string) => Promise<void>;
  trans: TranslationBundle;
}): JSX.Element {
  const { file, onSet, trans } = props;
  const [isOpen, setOpen] = React.useState(false);
  const [error, setError] = React.useState<Wrong | null>(null);
  const first = React.useRef<HTMLInputElement>(null);
  const second = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => first.current?.focus(), [isOpen]);

  const set = async (): Promise<void> => {
    const [password, again] = [first.current!.value, second.current!.value];
    if (password !== again) {
      setError({ message: trans.__('The two differ.'), hint: '' });
      return;
    }
    try {
      await onSet(password);
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
        {trans.__('Set a Password…')}
      </button>
    );
  }
  return (
    <form
      className="jp-RemoteTunnel-remedy"
      onSubmit={event => {
        event.preventDefault();
        void set();
      }}
    >
      <p>
        {trans.__('It is hashed and written to %1, and counts at once.', file)}
      </p>
      {error && <Explanation error={error} />}
      <label>
        {trans.__('New password')}
        <input
          ref={first}
          type="password"
          className="jp-mod-styled"
          autoComplete="new-password"
        />
      </label>
      <label>
        {trans.__('The same again')}
        <input
          ref={second}
          type="password"
          className="jp-mod-styled"
          autoComplete="new-password"
        />
      </label>
      <button type="submit" className="jp-mod-styled jp-mod-accept">
        {trans.__('Set the Password')}
      </button>
    </form>
  );
}

type Wrong = Pick<TunnelError, 'message' | 'hint'>;
