/** The sidebar: a section for each host that has tunnels, and one scroll for all of them. */

import {
  caretDownIcon,
  caretRightIcon,
  CommandToolbarButton,
  ReactWidget,
  SidePanel,
  UseSignal,
  addIcon
} from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import * as React from 'react';

import { CommandIDs } from './commands';
import { Explanation } from './dialogs';
import { groupByHost, HostGroup, summary } from './format';
import { tunnelIcon } from './icons';
import { Action, Context, Tunnel } from './rows';

export class TunnelSidebar extends SidePanel {
  constructor(context: Context) {
    // An accordion, which is there by default, shares its height out evenly among its sections.
    super({ content: new Panel() });
    const { commands, manager, trans } = context;
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
    this.content.addWidget(
      ReactWidget.create(
        <UseSignal signal={manager.changed}>
          {() => <Content {...context} />}
        </UseSignal>
      )
    );
  }

  /** Who asked to see it goes on from here by keyboard. */
  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.focus();
  }
}

/** The hosts; above them a problem, or how to begin. */
function Content(props: Context): JSX.Element {
  const { manager } = props;
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
  return (
    <>
      {manager.problem && <Explanation error={manager.problem} />}
      {!manager.problem && isReady && manager.tunnels.length === 0 && (
        <FirstSteps {...props} />
      )}
      {groupByHost(manager.tunnels).map(group => (
        <Host
          key={group.host}
          {...props}
          {...group}
          isCollapsed={collapsed.has(group.host)}
          onToggle={() => toggle(group.host)}
        />
      ))}
    </>
  );
}

function FirstSteps({ commands, trans }: Context): JSX.Element {
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

/** A heading that shows and hides the tunnels of its host. */
function Host(
  props: Context & HostGroup & { isCollapsed: boolean; onToggle: () => void }
): JSX.Element {
  const { host, isCollapsed, onToggle, trans, tunnels } = props;
  const list = React.useId();
  const Caret = (isCollapsed ? caretRightIcon : caretDownIcon).react;
  return (
    <>
      <div className="jp-RemoteTunnel-host">
        <h3>
          <button
            className="jp-RemoteTunnel-toggle"
            aria-expanded={!isCollapsed}
            aria-controls={list}
            onClick={onToggle}
          >
            <Caret tag="span" />
            <span>
              <span className="jp-RemoteTunnel-hostName">{host}</span>{' '}
              {isCollapsed && (
                <span className="jp-RemoteTunnel-state">
                  {summary(tunnels, trans)}
                </span>
              )}
            </span>
          </button>
        </h3>
        <Action
          {...props}
          command={CommandIDs.add}
          args={{ host }}
          icon={addIcon}
          label={trans.__('Add a tunnel to %1', host)}
        />
      </div>
      <ul
        id={list}
        hidden={isCollapsed}
        className="jp-RemoteTunnel-list"
        aria-label={trans.__('Tunnels to %1', host)}
      >
        {tunnels.map(tunnel => (
          <Tunnel key={tunnel.id} {...props} tunnel={tunnel} />
        ))}
      </ul>
    </>
  );
}
