/** The small dialogs: confirm a close, choose one of several, say what went wrong. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { TunnelStatus } from './api';
import { TunnelError } from './restapi';

/** Ask whether to close tunnels through which something may still flow. */
export async function confirmClose(
  tunnels: readonly TunnelStatus[],
  trans: TranslationBundle
): Promise<boolean> {
  const streams = tunnels
    .flatMap(tunnel => tunnel.forwards)
    .reduce((sum, forward) => sum + forward.streams.open, 0);
  const title =
    tunnels.length === 1
      ? trans.__('Close the tunnel %1?', tunnels[0]!.name)
      : trans.__('Close %1 tunnels?', tunnels.length);
  const result = await showDialog({
    title,
    body:
      streams > 0
        ? trans._n(
            '%1 stream is open through it and will be cut.',
            '%1 streams are open through it and will be cut.',
            streams
          )
        : trans.__('What uses it loses its connection.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Close') })
    ]
  });
  return result.button.accept;
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
  await showDialog({
    title,
    body: ReactWidget.create(<Explanation error={error} />),
    buttons: [Dialog.okButton({ label: trans.__('Dismiss') })]
  });
}

/** A message and its hint, as plain text. */
export function Explanation(props: {
  error: { message: string; hint: string };
}): JSX.Element {
  const { message, hint } = props.error;
  return (
    <div className="jp-RemoteTunnel-error" role="alert">
      <p>{message}</p>
      {hint && <p className="jp-RemoteTunnel-hint">{hint}</p>}
    </div>
  );
}
