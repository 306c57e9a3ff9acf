/**
 * The sidebar: a section for each host that has tunnels, in it the tunnels and their forwards.
 *
 * Everything that a remote host can name is set as text by React, never as HTML.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import {
  CommandToolbarButton,
  copyIcon,
  closeIcon,
  LabIcon,
  PanelWithToolbar,
  ReactWidget,
  refreshIcon,
  SidePanel,
  ToolbarButton,
  addIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import { ForwardStatus, TunnelStatus } from './api';
import { CommandIDs } from './commands';
import { Explanation } from './dialogs';
import {
  applicationOf,
  destination,
  groupByHost,
  isPrivate,
  localAddress,
  NBSP,
  stateLabel,
  traffic
} from './format';
import { browserIcon, stateIcon, tabIcon, tunnelIcon } from './icons';
import { ITunnelManager } from './tokens';

/** What every part of the sidebar needs. */
interface Context {
  manager: ITunnelManager;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

export class TunnelSidebar extends SidePanel {
  constructor(private readonly _context: Context) {
    super();
    const { commands, manager, trans } = _context;
    this.addClass('jp-RemoteTunnel');
    this.title.icon = tunnelIcon;
    this.title.caption = trans.__('SSH Tunnels');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('SSH tunnels'));
    for (const id of [CommandIDs.add, CommandIDs.refresh]) {
      this.toolbar.addItem(
        id,
        new CommandToolbarButton({ commands, id, label: '' })
      );
    }
    this.header.addWidget(new Notices(_context));
    manager.changed.connect(this._update, this);
    this._update();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._context.manager.changed.disconnect(this._update, this);
      super.dispose();
    }
  }

  private _update(): void {
    const groups = groupByHost(this._context.manager.tunnels);
    const hosts = new Set(groups.map(({ host }) => host));
    for (const [host, section] of this._sections) {
      if (!hosts.has(host)) {
        section.dispose();
        this._sections.delete(host);
      }
    }
    for (const { host, tunnels } of groups) {
      let section = this._sections.get(host);
      if (!section) {
        section = new HostSection(host, this._context);
        this._sections.set(host, section);
        this.addWidget(section);
      }
      section.tunnels = tunnels;
    }
  }

  private readonly _sections = new Map<string, HostSection>();
}

/** What is said above the hosts: a problem, or how to begin. */
class Notices extends ReactWidget {
  constructor(private readonly _context: Context) {
    super();
    _context.manager.changed.connect(this.update, this);
    void _context.manager.ready.then(() => {
      this._isReady = true;
      this.update();
    });
  }

  override dispose(): void {
    this._context.manager.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected render(): JSX.Element | null {
    const { commands, manager, trans } = this._context;
    if (manager.problem) {
      return <Explanation error={manager.problem} />;
    }
    if (!this._isReady || manager.tunnels.length > 0) {
      return null;
    }
    return (
      <div className="jp-RemoteTunnel-empty">
        <p>{trans.__('No tunnels yet.')}</p>
        <p>
          {trans.__(
            'A tunnel brings a port or a web application of a machine that SSH reaches into this Jupyter.'
          )}
        </p>
        <button
          className="jp-mod-styled jp-mod-accept"
          onClick={() => void commands.execute(CommandIDs.add)}
        >
          {trans.__('Add a tunnel')}
        </button>
      </div>
    );
  }

  private _isReady = false;
}

/** One host. */
class HostSection extends PanelWithToolbar {
  constructor(host: string, context: Context) {
    super();
    const { commands, trans } = context;
    this.addClass('jp-RemoteTunnel-host');
    this.title.label = host;
    this.title.caption = trans.__('Tunnels to %1', host);
    this.toolbar.addItem(
      'add',
      new ToolbarButton({
        icon: addIcon,
        tooltip: trans.__('Add a tunnel to %1', host),
        onClick: () => void commands.execute(CommandIDs.add, { host })
      })
    );
    this._list = new TunnelList(host, context);
    this.addWidget(this._list);
  }

  set tunnels(tunnels: TunnelStatus[]) {
    this._list.tunnels = tunnels;
  }

  private readonly _list: TunnelList;
}

/** The tunnels of one host. */
class TunnelList extends ReactWidget {
  constructor(
    private readonly _host: string,
    private readonly _context: Context
  ) {
    super();
  }

  set tunnels(tunnels: TunnelStatus[]) {
    this._tunnels = tunnels;
    this.update();
  }

  protected render(): JSX.Element {
    const { trans } = this._context;
    return (
      <ul
        className="jp-RemoteTunnel-list"
        aria-label={trans.__('Tunnels to %1', this._host)}
      >
        {this._tunnels.map(tunnel => (
          <Tunnel key={tunnel.id} tunnel={tunnel} {...this._context} />
        ))}
      </ul>
    );
  }

  private _tunnels: TunnelStatus[] = [];
}

function Tunnel(props: Context & { tunnel: TunnelStatus }): JSX.Element {
  const { tunnel, trans } = props;
  const { id, name, state } = tunnel;
  const Icon = stateIcon(state).react;
  return (
    <li className="jp-RemoteTunnel-tunnel" data-state={state} data-tunnel={id}>
      <div className="jp-RemoteTunnel-heading">
        <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
        <span className="jp-RemoteTunnel-title" title={details(tunnel, trans)}>
          <span className="jp-RemoteTunnel-name">{name}</span>{' '}
          <span className="jp-RemoteTunnel-state" aria-live="polite">
            {stateLabel(state, trans)}
          </span>
        </span>
        <span className="jp-RemoteTunnel-actions">
          <Action
            {...props}
            command={CommandIDs.restart}
            args={{ tunnel: id }}
            icon={refreshIcon}
            label={trans.__('Restart %1', name)}
          />
          <Action
            {...props}
            command={CommandIDs.close}
            args={{ tunnel: id }}
            icon={closeIcon}
            label={
              state === 'failed'
                ? trans.__('Dismiss %1', name)
                : trans.__('Close %1', name)
            }
          />
        </span>
      </div>
      {tunnel.error && <Explanation error={tunnel.error} />}
      <ul
        className="jp-RemoteTunnel-forwards"
        aria-label={trans.__('Forwards of %1', name)}
      >
        {tunnel.forwards.map((forward, index) => (
          <Forward key={index} index={index} forward={forward} {...props} />
        ))}
      </ul>
    </li>
  );
}

function Forward(
  props: Context & {
    tunnel: TunnelStatus;
    forward: ForwardStatus;
    index: number;
  }
): JSX.Element {
  const { forward, index, manager, trans, tunnel } = props;
  const application = applicationOf(tunnel, forward, manager.applications);
  return (
    <li className="jp-RemoteTunnel-forward" title={forward.spec}>
      <Addresses forward={forward} trans={trans} />
      <div className="jp-RemoteTunnel-traffic">
        {traffic(forward, tunnel, trans)}
        <span className="jp-RemoteTunnel-actions">
          {application && (
            <>
              <Action
                {...props}
                command={CommandIDs.openInTab}
                args={{ app: application.id }}
                icon={tabIcon}
                label={trans.__('Open %1 in a tab', application.name)}
              />
              <Action
                {...props}
                command={CommandIDs.openInBrowser}
                args={{ app: application.id }}
                icon={browserIcon}
                label={trans.__('Open %1 in the browser', application.name)}
              />
            </>
          )}
          {isPrivate(forward) && application && (
            <Action
              {...props}
              command={CommandIDs.copyLink}
              args={{ app: application.id }}
              icon={copyIcon}
              label={trans.__('Copy the link of %1', application.name)}
            />
          )}
          {!isPrivate(forward) && forward.bound && (
            <Action
              {...props}
              command={CommandIDs.copyAddress}
              args={{ tunnel: tunnel.id, forward: index }}
              icon={copyIcon}
              label={trans.__('Copy the address %1', forward.bound)}
            />
          )}
        </span>
      </div>
      {forward.error && <Explanation error={forward.error} />}
    </li>
  );
}

/** From where to where; the near end first, whichever side listens. */
function Addresses(props: {
  forward: ForwardStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { forward, trans } = props;
  const listens = localAddress(forward, trans);
  const leads = destination(forward, trans);
  const isRemote = forward.kind === 'remote';
  return (
    <div className="jp-RemoteTunnel-address">
      {isRemote ? leads : listens}
      <span
        role="img"
        aria-label={
          isRemote ? trans.__('is reached from') : trans.__('leads to')
        }
      >
        {isRemote ? ` ←${NBSP}` : ` →${NBSP}`}
      </span>
      {isRemote ? listens : leads}
    </div>
  );
}

/** A button that runs a command, where the command makes sense. */
function Action(
  props: Context & {
    command: string;
    args: ReadonlyPartialJSONObject;
    icon: LabIcon;
    label: string;
  }
): JSX.Element | null {
  const { args, command, commands, icon, label } = props;
  if (!commands.isVisible(command, args)) {
    return null;
  }
  return (
    <button
      className="jp-RemoteTunnel-action"
      aria-label={label}
      title={label}
      onClick={() => void commands.execute(command, args)}
    >
      <icon.react tag="span" />
    </button>
  );
}

/** What a pointer's rest on the name tells: route, host key, where the wish came from. */
function details(tunnel: TunnelStatus, trans: TranslationBundle): string {
  const lines = [trans.__('Route: %1', tunnel.route.join(' → '))];
  if (tunnel.host_key) {
    lines.push(trans.__('Host key: %1', tunnel.host_key));
  }
  if (tunnel.source === 'config') {
    lines.push(trans.__('From the configuration of this server'));
  } else if (tunnel.source === 'saved') {
    lines.push(trans.__('Restored from an earlier session'));
  }
  return lines.join('\n');
}
