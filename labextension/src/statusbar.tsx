/** The item in the status bar: how many tunnels there are, and whether one is in trouble. */

import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { summary, worstState } from './format';
import { stateIcon } from './icons';
import { ITunnelManager } from './tokens';

export class TunnelStatusItem extends ReactWidget {
  constructor(
    private readonly _manager: ITunnelManager,
    private readonly _onClick: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-RemoteTunnel-status');
    _manager.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._manager.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected render(): JSX.Element | null {
    const { tunnels } = this._manager;
    const Icon = stateIcon(worstState(tunnels)).react;
    return (
      <button
        data-state={worstState(tunnels)}
        title={this._trans.__('Show the SSH tunnels')}
        onClick={this._onClick}
      >
        <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
        {summary(tunnels, this._trans)}
      </button>
    );
  }
}
