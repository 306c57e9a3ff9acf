/**
 * An application in a tab of JupyterLab, and the choice between the two ways to show one.
 *
 * *origin*: the application has a host name of its own, so that it is like any other web site. It
 * needs a browser that is on the server's machine and resolves names below `localhost`, or a domain
 * for such names that leads to the server.
 * *path*: it is below Jupyter's own address. It must never be same-origin with Jupyter, whose API it
 * could call otherwise, so the frame has an opaque origin.
 */

import { MainAreaWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  IFrame,
  refreshIcon,
  Toolbar,
  ToolbarButton
} from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import { BoxPanel, Widget } from '@lumino/widgets';

import { Application } from './api';
import { closedNotice } from './closed';
import { browserIcon, tunnelIcon } from './icons';
import { ITunnelManager } from './tokens';

export type View = 'origin' | 'path';

// Never navigation of the top: a click that ran `top.location = …` would replace JupyterLab.
const COMMON: IFrame.SandboxExceptions[] = [
  'allow-scripts',
  'allow-forms',
  'allow-popups',
  'allow-downloads'
];
const SANDBOX: Record<View, IFrame.SandboxExceptions[]> = {
  origin: [...COMMON, 'allow-same-origin', 'allow-modals'],
  path: COMMON
};
const PROBE_TIMEOUT = 2000;

/** Decides once per page which view this browser can show. */
export class ViewChooser {
  constructor(private readonly _location: Location = window.location) {}

  /**
   * What is known so far, at once: a click that waits before it opens a window is taken for a pop-up.
   *
   * @param names - under which host names the server offers the origin view, or ''.
   */
  best(names: string): View {
    return names !== '' && this._reached.has(names) ? 'origin' : 'path';
  }

  /** As `best`, after the browser was asked. */
  async choose(names: string): Promise<View> {
    if (canLeadTo(names, this._location)) {
      const probe = this._probes.get(names) ?? this._probe(names);
      this._probes.set(names, probe);
      if (await probe) {
        this._reached.add(names);
      }
    }
    return this.best(names);
  }

  /** Whether the browser takes one of these names to this very server, which lets it read that. */
  private async _probe(names: string): Promise<boolean> {
    const { port, protocol } = this._location;
    const random = UUID.uuid4().replaceAll('-', '').slice(0, 20);
    const name = names.replace('{id}', `probe-${random}`);
    try {
      const answer = await fetch(`${protocol}//${name}${port && `:${port}`}/`, {
        mode: 'cors',
        credentials: 'omit',
        cache: 'no-store',
        signal: AbortSignal.timeout(PROBE_TIMEOUT)
      });
      return answer.ok;
    } catch {
      return false;
    }
  }

  private readonly _reached = new Set<string>();
  private readonly _probes = new Map<string, Promise<boolean>>();
}

/**
 * Whether such names can be on the machine where a page comes from.
 *
 * @param names - under which host names the server offers the origin view, or ''.
 */
export function canLeadTo(
  names: string,
  { hostname, protocol }: Pick<Location, 'hostname' | 'protocol'>
): boolean {
  if (!names.endsWith('.localhost')) {
    return names !== '' && protocol === 'https:';
  }
  return protocol === 'http:' && isOfThisMachine(hostname);
}

/** Whether what comes from there comes from the machine on which the browser runs. */
export function isOfThisMachine(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/**
 * A frame that shows an application, or a page of the server's that says why it cannot be shown and
 * goes on asking until it can.
 */
export class ApplicationFrame extends IFrame {
  constructor(
    name: string,
    private readonly _url: string,
    view: View
  ) {
    super({ sandbox: SANDBOX[view] });
    this.node.querySelector('iframe')!.title = name;
    this.reload();
  }

  /** Show what there is now. */
  reload(): void {
    this.url = this._url;
  }
}

/** What a tab shows, and what brings it back after a reload. */
export interface ApplicationTabOptions {
  app: ApplicationKey;
  view: View;
  url: string;
  manager: ITunnelManager;
  trans: TranslationBundle;
  openInBrowser: () => void;
  /** Asks for a tunnel in the place of the one that was closed. */
  openAgain: (tab: ApplicationTab) => void;
}

/** An application, of which more is known once the server was asked. */
export type ApplicationKey = Pick<Application, 'id' | 'name'> &
  Partial<Application>;

/** The application; after its tunnel was closed, a notice of that in its place. */
export class ApplicationTab extends MainAreaWidget<BoxPanel> {
  constructor(private readonly _options: ApplicationTabOptions) {
    const { app, manager, trans } = _options;
    super({ content: new BoxPanel() });
    this._app = app;
    this.id = `jp-remote-tunnel-app-${app.id}`;
    this.addClass('jp-RemoteTunnel-application');
    this.title.label = app.name;
    this.title.caption = trans.__('%1, through an SSH tunnel', app.name);
    this.title.icon = tunnelIcon;
    const toolbar: [string, Widget][] = [
      [
        'reload',
        new ToolbarButton({
          icon: refreshIcon,
          tooltip: trans.__('Reload this application'),
          onClick: () => this._frame?.reload()
        })
      ],
      [
        'browser',
        new ToolbarButton({
          icon: browserIcon,
          tooltip: trans.__('Open in a tab of the browser'),
          onClick: _options.openInBrowser
        })
      ],
      ['spacer', Toolbar.createSpacerItem()]
    ];
    for (const [name, widget] of toolbar) {
      this.toolbar.addItem(name, widget);
    }
    manager.changed.connect(this._look, this);
    this._look();
  }

  /** As last heard of. */
  get app(): ApplicationKey {
    return this._app;
  }

  override dispose(): void {
    this._options.manager.changed.disconnect(this._look, this);
    super.dispose();
  }

  /** Show the application, or that there is none any more. */
  private _look(): void {
    const { manager } = this._options;
    const known = manager.applications.find(({ id }) => id === this._app.id);
    this._app = known ?? this._app;
    // While the server does not answer, nobody knows.
    const isThere = known !== undefined || manager.problem !== null;
    if (this._shown && isThere === (this._frame !== null)) {
      return;
    }
    this._shown?.dispose();
    this._shown = this._frame = isThere ? this._makeFrame() : null;
    this._shown ??= this._makeNotice();
    this.content.addWidget(this._shown);
    this.toolbar.setHidden(!isThere);
  }

  private _makeFrame(): ApplicationFrame {
    const { url, view } = this._options;
    return new ApplicationFrame(this._app.name, url, view);
  }

  private _makeNotice(): Widget {
    const { openAgain, trans } = this._options;
    return closedNotice(
      this._app.name,
      () => openAgain(this),
      () => this.close(),
      trans
    );
  }

  private _app: ApplicationKey;
  private _frame: ApplicationFrame | null = null;
  private _shown: Widget | null = null;
}
