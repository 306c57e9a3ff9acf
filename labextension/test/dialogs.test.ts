import { Dialog } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { createElement } from 'react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { confirmClose, DialogBody, launch } from '../src/dialogs';
import { tunnel } from './samples';

const trans = nullTranslator.load('jupyter_remote_tunnel');

afterEach(() => Dialog.flush());

function titles(): (string | null)[] {
  return [...document.querySelectorAll('.jp-Dialog-header')].map(
    ({ textContent }) => textContent
  );
}

async function shows(...expected: string[]): Promise<void> {
  await vi.waitFor(() => expect(titles()).toEqual(expected));
}

/** A dialog of somebody else, launched; its end, whichever, is theirs. */
function theirs(title: string): Dialog<unknown> {
  const dialog = new Dialog({ title });
  // What the second call gives back is rejected when it is disposed before it is shown.
  for (const end of [dialog.launch(), dialog.launch()]) {
    end.catch(() => null);
  }
  return dialog;
}

function ours(): Promise<boolean> {
  return launch(() => new Dialog({ title: 'ours' })).then(
    ({ button }) => button.accept
  );
}

function accept(): void {
  document
    .querySelector<HTMLElement>('.jp-Dialog-button.jp-mod-accept')!
    .click();
}

describe('launch', () => {
  it('waits for what is shown', async () => {
    theirs('first');
    const answer = ours();
    await shows('first');
    accept();
    await shows('ours');
    accept();
    expect(await answer).toBe(true);
    await shows();
  });

  it('is shown although one before it was disposed', async () => {
    const first = theirs('first');
    const second = theirs('second');
    const answer = ours();
    await shows('first');
    second.dispose();
    await shows('first');
    accept();
    await shows('ours');
    accept();
    expect(await answer).toBe(true);
    expect(first.isDisposed).toBe(true);
    // Nor is it in the way of the next.
    theirs('next');
    await shows('next');
  });

  it('is shown although JupyterLab shows nothing any more', async () => {
    const first = theirs('first');
    const lost = theirs('lost');
    await shows('first');
    first.dispose();
    await shows();
    theirs('next');
    await shows();
    const answer = ours();
    await shows('ours');
    expect(lost.isDisposed).toBe(true);
    accept();
    expect(await answer).toBe(true);
    theirs('next');
    await shows('next');
  });

  it('fails where the dialog itself is disposed', async () => {
    let dialog: Dialog<unknown>;
    const answer = launch(() => (dialog = new Dialog({ title: 'ours' })));
    await shows('ours');
    dialog!.dispose();
    await expect(answer).rejects.toBeUndefined();
    await shows();
  });
});

it('asks before streams are cut', async () => {
  const answer = confirmClose([tunnel({ name: 'plot' })], 0, trans);
  await shows('Close the tunnel plot?');
  expect(document.querySelector('.jp-Dialog-body')!.textContent).toBe(
    '1 stream is open through it and will be cut.'
  );
  accept();
  expect(await answer).toBe(true);
});

describe('Tab', () => {
  /** Where it leads, from what has the focus; null where the browser decides. */
  function tab(shiftKey = false): Element | null {
    const from = document.activeElement!;
    const event = new KeyboardEvent('keydown', {
      key: 'Tab',
      shiftKey,
      bubbles: true,
      cancelable: true
    });
    return from.dispatchEvent(event) ? null : document.activeElement;
  }

  async function asked(accept: string): Promise<HTMLElement[]> {
    const answer = askWhatIsTyped(accept);
    answer.catch(() => null);
    await vi.waitFor(() =>
      expect(document.activeElement?.tagName).toBe('INPUT')
    );
    return [
      ...document.querySelectorAll<HTMLElement>(
        'input, .jp-Dialog-footer button'
      )
    ];
  }

  function askWhatIsTyped(accept: string): Promise<unknown> {
    return launch(
      () =>
        new Dialog({
          title: 'ours',
          body: new Fields(),
          buttons: [
            Dialog.cancelButton({ label: 'Cancel' }),
            Dialog.okButton({ label: accept })
          ],
          focusNodeSelector: ':checked'
        })
    );
  }

  it('leads from the last button to the first field', async () => {
    const [, chosen, , cancel, ok] = await asked('Open');
    ok!.focus();
    expect(tab()).toBe(chosen);
    ok!.focus();
    expect(tab(true)).toBeNull();
    cancel!.focus();
    expect(tab()).toBeNull();
  });

  it('leads there, too, while the last button cannot be pressed', async () => {
    const [, chosen, typed, cancel, ok] = await asked('Open');
    typed!.dispatchEvent(new Event('input', { bubbles: true }));
    expect((ok as HTMLButtonElement).disabled).toBe(true);
    cancel!.focus();
    expect(tab()).toBe(chosen);
  });

  it('stays among the buttons where there is no field', async () => {
    const answer = ours();
    await shows('ours');
    const buttons = document.querySelectorAll<HTMLElement>('.jp-Dialog-button');
    buttons[1]!.focus();
    expect(tab()).toBe(buttons[0]);
    accept();
    await answer;
  });
});

/** Two ways, of which one is chosen, and a field that has to be filled in. */
class Fields extends DialogBody {
  protected render(): JSX.Element {
    return createElement(
      'div',
      { ref: () => this.shown() },
      createElement('input', { type: 'radio', name: 'way' }),
      createElement('input', {
        type: 'radio',
        name: 'way',
        defaultChecked: true
      }),
      createElement('input', { required: true })
    );
  }
}
