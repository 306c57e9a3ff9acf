/** The buttons of the sidebar that run a command. */

import { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, ellipsesIcon, LabIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import { CommandIDs } from './commands';
import { openHostMenu } from './hostmenu';
import { HostBook } from './hosts';
import { diagnoseIcon, jupyterIcon } from './icons';
import { IPublicationManager, ITunnelManager } from './tokens';

/** What every part of the sidebar needs. */
export interface Context {
  manager: ITunnelManager;
  publications: IPublicationManager;
  hosts: HostBook;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** What can be done with a host. */
export function HostActions(props: Context & { host: string }): JSX.Element {
  const { commands, host, trans } = props;
  const more = trans.__('More for %1', host);
  const menu = React.useRef<HTMLButtonElement>(null);
  React.useLayoutEffect(() => keepFocus(host, menu.current!), [host]);
  return (
    <span className="jp-RemoteTunnel-actions">
      <Action
        {...props}
        command={CommandIDs.openJupyter}
        args={{ host }}
        icon={jupyterIcon}
        label={trans.__('Look for a Jupyter on %1', host)}
      />
      <Action
        {...props}
        command={CommandIDs.diagnose}
        args={{ host }}
        icon={diagnoseIcon}
        label={trans.__('Diagnose the way to %1', host)}
      />
      <Action
        {...props}
        command={CommandIDs.add}
        args={{ host }}
        icon={addIcon}
        label={trans.__('Add a tunnel to %1', host)}
      />
      <button
        ref={menu}
        className="jp-RemoteTunnel-action"
        aria-haspopup="menu"
        aria-label={more}
        title={more}
        onClick={({ currentTarget }) => {
          const { bottom: y, left: x } = currentTarget.getBoundingClientRect();
          openHostMenu(commands, host, { x, y }, currentTarget);
        }}
      >
        <ellipsesIcon.react tag="span" />
      </button>
    </span>
  );
}

// The host that has had the focus in its line, while that is drawn in another section.
let moving: string | null = null;

/**
 * Have the focus follow the line of a host, which goes to another section with its first tunnel and
 * its last: to the button of its menu there, or, where it is seen no more, to the sidebar.
 *
 * @param menu - that button, which is there from now on.
 * @returns to be called when it is about to go.
 */
function keepFocus(host: string, menu: HTMLElement): () => void {
  const sidebar = menu.closest<HTMLElement>('.jp-RemoteTunnel');
  if (moving === host) {
    menu.focus();
  }
  return () => {
    const line = menu.closest('.jp-RemoteTunnel-host, .jp-RemoteTunnel-alias');
    if (line?.contains(document.activeElement)) {
      moving = host;
      // React has drawn the other line by then.
      queueMicrotask(() => {
        moving = null;
        if (document.activeElement === document.body) {
          sidebar?.focus();
        }
      });
    }
  };
}

/** What opens the same menu in the line of a host: the right button, or the keyboard's key. */
export function hostMenuHandler({
  commands,
  host
}: Context & { host: string }): React.MouseEventHandler {
  return event => {
    if (event.shiftKey) {
      return; // the browser's own, as in all of JupyterLab
    }
    event.preventDefault();
    event.stopPropagation();
    const { activeElement } = document;
    const opener = activeElement instanceof HTMLElement ? activeElement : null;
    const { clientX: x, clientY: y } = event;
    openHostMenu(commands, host, { x, y }, opener);
  };
}

/** A button that runs a command, where the command makes sense. */
export function Action(
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
