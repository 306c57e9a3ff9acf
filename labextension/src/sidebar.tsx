/**
 * The sidebar: what is published, a section for each host that has tunnels, one for the other hosts
 * of the ssh configuration, and one scroll for all of them.
 */

import {
  CommandToolbarButton,
  ReactWidget,
  SidePanel,
  UseSignal
} from '@jupyterlab/ui-components';
import { DisposableSet } from '@lumino/disposable';
import { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import * as React from 'react';

import { Context, HostActions, hostMenuHandler } from './actions';
import { Host as Alias } from './api';
import { CommandIDs } from './commands';
import { Explanation } from './dialogs';
import { groupByHost, HostGroup, summary } from './format';
import { Aliases, Offers, Toggle } from './hostlist';
import { tunnelIcon } from './icons';
import { PublishedSection, PublishEntry } from './publishedbadge';
import { Tunnel } from './rows';

export class TunnelSidebar extends SidePanel {
  constructor(private readonly _context: Context) {
    // An accordion, which is there by default, shares its height out evenly among its sections.
    super({ content: new Panel() });
    const { commands, manager, trans } = _context;
    this.addClass('jp-RemoteTunnel');
    this.title.icon = tunnelIcon;
    this.title.caption = trans.__('SSH Tunnels');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('SSH tunnels'));
    this.node.tabIndex = -1;
    for (const id of [CommandIDs.add, CommandIDs.refresh]) {
      this.toolbar.addItem(
        id,
        new CommandToolbarButton({ commands, id, label: '' })
      );
    }
    manager.changed.connect(this._hear, this);
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._look();
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._look();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._look();
  }

  protected override onBeforeDetach(msg: Message): void {
    super.onBeforeDetach(msg);
    this._watches.dispose();
  }

  /** Have current counts while this is in view, and the hosts as it comes. */
  private _look(): void {
    if (!this.isVisible) {
      this._watches.dispose();
    } else if (this._watches.isDisposed) {
      const { hosts, manager, publications } = this._context;
      // Made when it is first looked at, which costs the start of the page nothing.
      if (this.content.widgets.length === 0) {
        this.content.addWidget(makeContent(this._context));
      }
      this._watches = DisposableSet.from([
        manager.watch(),
        publications.watch()
      ]);
      void hosts.refresh();
    }
  }

  override dispose(): void {
    this._context.manager.changed.disconnect(this._hear, this);
    super.dispose();
  }

  /** A server that tells again is asked again for the hosts: what it failed with is past. */
  private _hear(): void {
    const { hosts, manager } = this._context;
    const { problem } = manager;
    if (this._wasLost && !problem && this.isVisible) {
      void hosts.refresh();
    }
    this._wasLost = problem !== null;
  }

  /** Who asked to see it goes on from here by keyboard. */
  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.focus();
  }

  private _watches = NONE;
  private _wasLost = false;
}

// Nothing is watched.
const NONE = new DisposableSet();
NONE.dispose();

// In the place of a host; none is called so.
const ALIASES = '';

function makeContent(context: Context): ReactWidget {
  const { hosts, manager, publications } = context;
  return ReactWidget.create(
    <UseSignal signal={manager.changed}>
      {() => (
        <UseSignal signal={hosts.changed}>
          {() => (
            <UseSignal signal={publications.changed}>
              {() => <Content {...context} />}
            </UseSignal>
          )}
        </UseSignal>
      )}
    </UseSignal>
  );
}

/** The hosts; above them a problem, or how to begin. */
function Content(props: Context): JSX.Element {
  const { hosts, manager, publications } = props;
  const [isReady, setReady] = React.useState(false);
  React.useEffect(() => void manager.ready.then(() => setReady(true)), []);
  // Kept here, so that a host whose last tunnel goes and comes back stays as it was.
  const [collapsed, setCollapsed] = React.useState<ReadonlySet<string>>(
    new Set()
  );
  const toggle = (host: string): void => {
    const next = new Set(collapsed);
    if (!next.delete(host)) {
      next.add(host);
    }
    setCollapsed(next);
  };
  const groups = groupByHost(manager.tunnels);
  const aliases = new Map(hosts.aliases.map(alias => [alias.host, alias]));
  return (
    <>
      <PublishedSection {...props} />
      {manager.problem && !publications.isLost && (
        <Explanation error={manager.problem} />
      )}
      {!manager.problem && isReady && manager.tunnels.length === 0 && (
        <FirstSteps {...props} />
      )}
      {groups.map(group => (
        <Host
          key={group.host}
          {...props}
          {...group}
          alias={aliases.get(group.host)}
          isCollapsed={collapsed.has(group.host)}
          onToggle={() => toggle(group.host)}
        />
      ))}
      <Aliases
        {...props}
        aliases={hosts.aliases.filter(
          ({ host }) => !groups.some(group => group.host === host)
        )}
        isCollapsed={collapsed.has(ALIASES)}
        onToggle={() => toggle(ALIASES)}
      />
      <PublishEntry {...props} />
    </>
  );
}

function FirstSteps({ commands, trans }: Context): JSX.Element {
  return (
    <div className="jp-RemoteTunnel-empty">
      <p>{trans.__('No tunnels yet.')}</p>
      <p>
        {trans.__(
          'With a tunnel you use a port or a web application of any machine that you can log in to by SSH.'
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

/** A heading that shows and hides the tunnels of its host, and what that offers. */
function Host(
  props: Context &
    HostGroup & {
      /** What the ssh configuration says of it, if anything. */
      alias: Alias | undefined;
      isCollapsed: boolean;
      onToggle: () => void;
    }
): JSX.Element {
  const { alias, host, isCollapsed, onToggle, trans, tunnels } = props;
  const body = React.useId();
  return (
    <>
      <div
        className="jp-RemoteTunnel-host"
        onContextMenu={hostMenuHandler(props)}
      >
        <h3>
          <Toggle {...{ body, isCollapsed, onToggle }}>
            <span className="jp-RemoteTunnel-hostName">{host}</span>{' '}
            {isCollapsed && (
              <span className="jp-RemoteTunnel-state">
                {summary(tunnels, trans)}
              </span>
            )}
          </Toggle>
        </h3>
        <HostActions {...props} />
      </div>
      <div id={body} hidden={isCollapsed}>
        <ul
          className="jp-RemoteTunnel-list"
          aria-label={trans.__('Tunnels to %1', host)}
        >
          {tunnels.map(tunnel => (
            <Tunnel key={tunnel.id} {...props} tunnel={tunnel} />
          ))}
        </ul>
        {alias && <Offers {...props} host={alias} isCaptioned />}
      </div>
    </>
  );
}
