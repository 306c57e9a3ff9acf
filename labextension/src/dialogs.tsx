/** The small dialogs: confirm a close, choose one of several, say what went wrong. */

import { Dialog, InputDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { PromiseDelegate } from '@lumino/coreutils';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { TunnelStatus } from './api';
import { TunnelError } from './restapi';

/**
 * Show a dialog, after those that are shown before it.
 *
 * JupyterLab shows one at a time; the others wait in a queue. It loses count when a dialog is
 * disposed while another one waits (that of a kernel is, with its notebook): the one that waits is
 * never shown, nor is any after it, until the page is loaded again. So this does not wait in vain.
 *
 * @param make - makes the dialog; perhaps more than once.
 */
export async function launch<T>(
  make: () => Dialog<T>
): Promise<Dialog.IResult<T>> {
  const dialog = make();
  // Before JupyterLab's own, which comes when the dialog is shown.
  dialog.node.addEventListener('keydown', goRound, true);
  const result = dialog.launch();
  // Whoever is next in the queue is there in the next task.
  const isStuck = nextTask().then(() => !Dialog.tracker.find(isShown));
  try {
    if (await Promise.race([isStuck, result.then(() => false)])) {
      result.catch(() => null);
      Dialog.tracker.forEach(giveUp);
      return await launch(make);
    }
    return await result;
  } catch (error) {
    if (error !== undefined || dialog.isDisposed) {
      throw error;
    }
    // One before it was disposed.
    giveUp(dialog);
    return launch(make);
  }
}

/**
 * Tab leads from the last button to the first field.
 *
 * JupyterLab's dialog looks for that before its body is drawn, and takes its own first button; and
 * while its last button cannot be pressed, Tab leads out of it.
 */
function goRound(event: KeyboardEvent): void {
  if (event.key !== 'Tab' || event.shiftKey) {
    return;
  }
  const node = event.currentTarget as HTMLElement;
  const buttons = node.querySelectorAll('.jp-Dialog-button:enabled');
  const field = node.querySelector('.jp-Dialog-body')?.querySelector(CAN_FOCUS);
  if (field && document.activeElement === buttons[buttons.length - 1]) {
    event.preventDefault();
    event.stopImmediatePropagation();
    (field as HTMLElement).focus();
  }
}

// Of several radio buttons, Tab leads to the one that is chosen.
const CAN_FOCUS = [
  'input:enabled:not([type="radio"]:not(:checked))',
  'select:enabled',
  'textarea:enabled',
  'button:enabled',
  'summary',
  'a[href]'
].join(',');

/** Take a dialog that will never be shown out of the queue. */
function giveUp(dialog: Dialog<unknown>): void {
  // The promise that its disposal rejects: who launched it has one that waits for it to be shown.
  dialog.launch().catch(() => null);
  dialog.dispose();
}

function isShown(dialog: Dialog<unknown>): boolean {
  return dialog.isAttached;
}

/** Fulfilled when what was asked for till now is done, messages to widgets among it. */
export function nextTask(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve));
}

/** The body of a dialog in which the focus is as soon as there is something that can have it. */
export abstract class DialogBody extends ReactWidget {
  protected override onUpdateRequest(msg: Message): void {
    super.onUpdateRequest(msg);
    // The dialog moves the focus then. Its own promise waits until the page is idle: somebody may
    // be typing by that time.
    this.renderPromise = this._shown.promise;
  }

  /** To be called when that is there. */
  protected shown(): void {
    this._shown.resolve();
  }

  private readonly _shown = new PromiseDelegate<void>();
}

/**
 * Ask whether to close tunnels through which something may still flow.
 *
 * @param servers - how many servers end with them.
 */
export async function confirmClose(
  tunnels: readonly TunnelStatus[],
  servers: number,
  trans: TranslationBundle
): Promise<boolean> {
  const streams = tunnels
    .flatMap(tunnel => tunnel.forwards)
    .reduce((sum, forward) => sum + forward.streams.open, 0);
  const title =
    tunnels.length === 1
      ? trans.__('Close the tunnel %1?', tunnels[0]!.name)
      : trans.__('Close %1 tunnels?', tunnels.length);
  const loss =
    tunnels.length === 1
      ? lossOfOne(streams, trans)
      : lossOfAll(streams, trans);
  const body = [loss, ...lossOfServers(servers, trans)].join(' ');
  const buttons = [
    Dialog.cancelButton({ label: trans.__('Cancel') }),
    Dialog.warnButton({ label: trans.__('Close') })
  ];
  // As JupyterLab: what is cut can be opened again; before kernels are lost, Enter loses nothing.
  const defaultButton = servers > 0 ? 0 : 1;
  const result = await launch(
    () => new Dialog({ title, body, buttons, defaultButton })
  );
  return result.button.accept;
}

function lossOfOne(streams: number, trans: TranslationBundle): string {
  return streams > 0
    ? trans._n(
        '%1 stream is open through it and will be cut.',
        '%1 streams are open through it and will be cut.',
        streams
      )
    : trans.__('What uses it loses its connection.');
}

function lossOfServers(count: number, trans: TranslationBundle): string[] {
  return count === 0
    ? []
    : [
        trans._n(
          'The Jupyter that was started there ends with it, and so do its kernels.',
          'The %1 Jupyters that were started there end with them, and so do their kernels.',
          count
        )
      ];
}

function lossOfAll(streams: number, trans: TranslationBundle): string {
  return streams > 0
    ? trans._n(
        '%1 stream is open through them and will be cut.',
        '%1 streams are open through them and will be cut.',
        streams
      )
    : trans.__('No stream is open through them now.');
}

/** Let a person choose one; null if they chose none. One alone needs no question. */
export async function choose<T>(
  items: readonly T[],
  label: (item: T) => string,
  title: string,
  trans: TranslationBundle
): Promise<T | null> {
  if (items.length < 2) {
    return items[0] ?? null;
  }
  const labels = items.map(label);
  const result = await InputDialog.getItem({
    title,
    items: labels,
    okLabel: trans.__('Choose'),
    cancelLabel: trans.__('Cancel')
  });
  return result.value === null ? null : items[labels.indexOf(result.value)]!;
}

/** Say what went wrong and what to do next. */
export async function showError(
  title: string,
  error: TunnelError,
  trans: TranslationBundle
): Promise<void> {
  const buttons = [Dialog.okButton({ label: trans.__('Dismiss') })];
  await launch(() => {
    const body = ReactWidget.create(<Explanation error={error} />);
    return new Dialog({ title, body, buttons });
  });
}

/** What is wrong now. */
export function Explanation(props: { error: Explained }): JSX.Element {
  return (
    <div className="jp-RemoteTunnel-error" role="alert">
      <Reason {...props} />
    </div>
  );
}

interface Explained {
  message: string;
  hint: string;
}

/** A message and its hint, as plain text; before them `since` when. */
export function Reason(props: {
  error: Explained;
  since?: string;
}): JSX.Element {
  const { message, hint } = props.error;
  return (
    <>
      <p>{props.since ? `${props.since} ${message}` : message}</p>
      {hint && <p className="jp-RemoteTunnel-hint">{hint}</p>}
    </>
  );
}
