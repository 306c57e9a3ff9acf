/** The dialog for a new password of the Jupyter servers of a host. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { DialogBody, Explanation, launch } from './dialogs';
import { differing, PasswordFields } from './passwordform';
import { Wrong } from './remedy';

/**
 * What a person types, twice the same; null if they thought better of it.
 *
 * @param wrong - why what they typed before is none.
 */
export async function askForPassword(
  host: string,
  wrong: Wrong | null,
  trans: TranslationBundle
): Promise<string | null> {
  const title = trans.__('Set the password of the Jupyter servers on %1', host);
  const { button, value } = await launch(() => {
    const dialog = new Dialog<[string, string]>({
      title,
      body: new PasswordBody(host, wrong, trans),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Set the Password') })
      ],
      focusNodeSelector: 'input'
    });
    dialog.addClass('jp-RemoteTunnel-dialog');
    dialog.node.setAttribute('aria-label', title);
    return dialog;
  });
  if (!button.accept || !value) {
    return null;
  }
  const differ = differing(value, trans);
  return differ ? askForPassword(host, differ, trans) : value[0];
}

class PasswordBody extends DialogBody {
  constructor(
    private readonly _host: string,
    private readonly _wrong: Wrong | null,
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  getValue(): [string, string] {
    const [first, second] = this.node.querySelectorAll('input');
    return [first!.value, second!.value];
  }

  protected render(): JSX.Element {
    return (
      <PasswordQuestion
        host={this._host}
        wrong={this._wrong}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }
}

function PasswordQuestion(props: {
  host: string;
  wrong: Wrong | null;
  trans: TranslationBundle;
  onShown: () => void;
}): JSX.Element {
  const { host, onShown, trans, wrong } = props;
  const root = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
    onShown();
  }, []);
  return (
    <div className="jp-RemoteTunnel-fields" ref={root}>
      {wrong && <Explanation error={wrong} />}
      <p>
        {trans.__(
          'It goes to %1 over SSH, where Jupyter hashes it and writes it down, and it stays nowhere here. It counts for the Jupyter servers that you start there from then on.',
          host
        )}
      </p>
      <PasswordFields required trans={trans} />
    </div>
  );
}
