/** Setting the password of this Jupyter. What is typed is kept in the fields alone. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Remedy, Wrong } from './remedy';

export function PasswordForm(props: {
  /** Where it is written to. */
  file: string;
  /** Sets it; fails with a `TunnelError`. */
  onSet: (password: string) => Promise<void>;
  trans: TranslationBundle;
}): JSX.Element {
  const { file, onSet, trans } = props;
  const first = React.useRef<HTMLInputElement>(null);
  const second = React.useRef<HTMLInputElement>(null);

  const set = async (): Promise<void> => {
    const [password, again] = [first.current!.value, second.current!.value];
    if (password !== again) {
      const wrong: Wrong = { message: trans.__('The two differ.'), hint: '' };
      throw wrong;
    }
    await onSet(password);
  };

  return (
    <Remedy
      label={trans.__('Set a Password…')}
      submit={trans.__('Set the Password')}
      onSubmit={set}
      trans={trans}
    >
      <p>
        {trans.__('It is hashed and written to %1, and counts at once.', file)}
      </p>
      <label>
        {trans.__('New password')}
        <input
          ref={first}
          type="password"
          className="jp-mod-styled"
          data-first-field
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
    </Remedy>
  );
}
