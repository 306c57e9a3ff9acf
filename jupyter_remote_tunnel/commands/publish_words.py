"""The words of `publish`: an entry of the table in `grammar`."""

from .words import JSON, SERVER, Command, argument

_WAYS = (
    argument(
        "--bind",
        action="store_true",
        help="on a public port of the gateway, without its web server; TLS ends here",
    ),
    argument(
        "--direct",
        action="store_true",
        help="on a port of this machine, without a gateway; TLS ends here",
    ),
    argument(
        "--pull",
        action="store_true",
        help="on this machine, which is the gateway: a Jupyter of the host that is given",
    ),
    argument(
        "--proxy",
        choices=("nginx", "caddy"),
        help="the gateway's web server (default: the one that is there)",
    ),
)
_PLACE = (
    argument("--name", help="the host name that browsers use"),
    argument(
        "--port",
        type=int,
        metavar="PORT",
        help="the port of browsers' URLs (default: 443; with --bind and --direct 8443)",
    ),
    argument("--prefix", metavar="PATH", help="the path of the URL (default: Jupyter's base URL)"),
    argument(
        "--socket",
        metavar="PATH",
        help="the socket on the gateway that a site of your own names",
    ),
    argument(
        "--tcp",
        type=int,
        metavar="PORT",
        help="a port of the gateway's loopback in place of a socket: its other users can connect,"
        " and take it while nothing is shown there",
    ),
    argument(
        "--certfile",
        metavar="FILE",
        help="the certificate, in PEM, where TLS ends: here with --bind and --direct, else a path"
        " on the gateway (default: that of its site, or from Let's Encrypt)",
    ),
    argument("--keyfile", metavar="FILE", help="its private key, beside it"),
    argument(
        "--self-signed",
        action="store_true",
        help="insist on a certificate for which nobody vouches: browsers will warn",
    ),
)
_PULL = (
    argument(
        "--jupyter",
        metavar="PORT|SOCKET",
        help="with --pull: which one, where several run there: its port, or the path of its socket",
    ),
    argument(
        "--foreground",
        action="store_true",
        help="with --pull: show it from this process until Ctrl-C",
    ),
    argument(
        "--systemd",
        action="store_true",
        help="with --pull: write a user unit of systemd that shows it whenever this machine runs",
    ),
)
_OTHERS = (
    argument("--check", action="store_true", help="look at everything, and open nothing"),
    argument(
        "--site",
        metavar="nginx|caddy",
        nargs="?",
        const="",
        help="show the site of the gateway's web server and what installs it, and leave it in your"
        " home there; it opens nothing",
    ),
    argument("--list", action="store_true", help="what is published, and who is connected"),
    argument("--stop", metavar="NAME", nargs="?", const="", help="end a publication"),
    argument(
        "--extend",
        metavar="NAME",
        nargs="?",
        const="",
        help="have a publication end at another time, with --for from now",
    ),
    argument(
        "--set-password",
        action="store_true",
        help="set the password of this Jupyter, which counts at once; with --name, not one that is"
        " made of that name",
    ),
    argument(
        "--fix",
        action="store_true",
        help="change the settings of this Jupyter that make a check fail: each change is shown, and"
        " made after a yes (with --prefix, its base URL too)",
    ),
)

PUBLISH = Command(
    "publish",
    "Publish this Jupyter, on a gateway or directly.",
    (
        *_WAYS,
        *_PLACE,
        argument(
            "--for",
            dest="period",
            metavar="TIME",
            help="after which it ends: 8h, 90m, 2d (default: as the server is set, 8h); with --pull"
            " also: never (with --systemd the default)",
        ),
        *_PULL,
        *_OTHERS,
        JSON,
        SERVER,
    ),
    ssh_words="[OPTIONS OF SSH] [USER@]GATEWAY",
    more="All that has to be true is checked first; if a check fails nothing is opened. It ends by"
    " itself, and with this Jupyter. With --pull no Jupyter has to run here, and in the gateway's"
    " place stands the host on which one does: [USER@]HOST[:PORT].",
    examples=(
        "ann@gw --name jupyter.example.org",
        "--pull ann@workstation --name jupyter.example.org",
        "--list",
        "--stop jupyter.example.org",
    ),
)
