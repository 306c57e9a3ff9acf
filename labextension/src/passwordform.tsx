/** A new password of a Jupyter. What is typed is kept in the fields alone. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Remedy, Wrong } from './remedy';

/** Where it is typed, twice. */
export function PasswordFields(props: {
  first?: React.Ref<HTMLInputElement>;
  second?: React.Ref<HTMLInputElement>;
  /** Whether what stands around looks that they are filled in. */
  required?: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { first, required, second, trans } = props;
  return (
    <>
      <label>
        {trans.__('New password')}
        <input
          ref={first}
          type="password"
          className="jp-mod-styled"
          data-first-field
          required={required}
          autoComplete="new-password"
        />
      </label>
      <label>
        {trans.__('The same again')}
        <input
          ref={second}
          type="password"
          className="jp-mod-styled"
          required={required}
          autoComplete="new-password"
        />
      </label>
    </>
  );
}

/** Why what was typed is no password; null where the server has to judge. */
export function differing(
  [password, again]: readonly [string, string],
  trans: TranslationBundle
): Wrong | null {
  return password === again
    ? null
    : { message: trans.__('The two differ.'), hint: '' };
}

/** Sets that of this Jupyter. */
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
    const typed = [first.current!.value, second.current!.value] as const;
    const wrong = differing(typed, trans);
    if (wrong) {
      throw wrong;
    }
    await onSet(typed[0]);
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
      <PasswordFields {...{ first, second, trans }} />
    </Remedy>
  );
}
