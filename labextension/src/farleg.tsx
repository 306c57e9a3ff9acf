/**
 * What a row tells of the other leg of a forward, held by a machine that offers something on the
 * gateway, and of where a forward listens.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { FarLeg as FarLegStatus, ForwardStatus } from './api';
import { Explanation } from './dialogs';

interface Props {
  forward: ForwardStatus;
  trans: TranslationBundle;
}

/** One line, and below it why the other leg is not up; nothing for most forwards. */
export function Beyond(props: Props): JSX.Element | null {
  const { far, note } = props.forward;
  return (
    <>
      {note && <div className="jp-RemoteTunnel-note">{note}</div>}
      {far && !far.at.startsWith('/') && (
        <div className="jp-RemoteTunnel-note">
          {props.trans.__(
            'It is a port of the gateway, to which its other users can connect, too, and on which they can listen when that machine does not.'
          )}
        </div>
      )}
      {far && (
        <div
          className="jp-RemoteTunnel-note"
          data-far={far.state}
          title={far.at}
        >
          {farLegOf(far, props.trans)}
        </div>
      )}
      {far?.error && <Explanation error={far.error} />}
    </>
  );
}

/** "Offered by ann@workstation (localhost:5006 there): up". */
export function farLegOf(far: FarLegStatus, trans: TranslationBundle): string {
  const state = stateOf(far, trans);
  return far.by
    ? trans.__('Offered by %1 (%2 there): %3', far.by, far.destination, state)
    : trans.__('Offered there by another machine: %1', state);
}

function stateOf(far: FarLegStatus, trans: TranslationBundle): string {
  const labels: Record<FarLegStatus['state'], string> = {
    up: trans.__('up'),
    down: trans.__('down'),
    no_application: trans.__('up, without the application'),
    unknown: trans.__('not known')
  };
  return labels[far.state] ?? far.state;
}
