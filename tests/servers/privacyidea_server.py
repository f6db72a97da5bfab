"""A privacyIDEA server to break: run by the Python of its own environment, never imported.

privacyidea_server.py HOME PORT [PORT CERTIFICATE KEY]...; says "ready" when it is, then serves.
Its accounts are `totp0` …, `hotp0` …, each with one token whose seed is SEEDS + its number,
`sms` and `none`; all have the PIN `canary-pin`. The administrator is `admin`, with that password.
"""

import ssl
import sys
import threading
from pathlib import Path

HOME = Path(sys.argv[1])
SEEDS = "3132333435363738393031323334353637"
MANY = {"totp": 32, "hotp": 3}
CONFIG = f"""
import sqlalchemy.pool

SECRET_KEY = "{"k" * 40}"
PI_PEPPER = "pepper"
PI_ENCFILE = "{HOME}/key"
PI_LOGFILE = "{HOME}/log"
PI_LOGLEVEL = 30
PI_UUID_FILE = "{HOME}/uuid"
PI_AUDIT_NO_SIGN = True
PI_NO_RESPONSE_SIGN = True
PI_HEALTHZ_RESOLVER_CACHE_SECONDS = 0
PI_HASH_ALGO_LIST = ["pbkdf2_sha512"]
PI_HASH_ALGO_PARAMS = {{"pbkdf2_sha512__rounds": 1}}
SQLALCHEMY_DATABASE_URI = "sqlite:///{HOME}/database"
SQLALCHEMY_ENGINE_OPTIONS = {{"poolclass": sqlalchemy.pool.NullPool}}  # it notices a lost file
"""


def prepare():
    """A database with a realm, its accounts and their tokens."""
    from privacyidea.lib.auth import create_db_admin
    from privacyidea.lib.policy import set_policy
    from privacyidea.lib.realm import set_default_realm, set_realm
    from privacyidea.lib.resolver import save_resolver
    from privacyidea.lib.token import init_token
    from privacyidea.lib.user import User
    from privacyidea.models import db

    db.create_all()
    create_db_admin("admin", password="admin")
    tokens = {f"{kind}{n}": kind for kind, many in MANY.items() for n in range(many)}
    names = [*tokens, "sms", "none"]
    (HOME / "users").write_text(
        "".join(f"{name}:x:{n}:{n}:{name}:/:/\n" for n, name in enumerate(names, 1000))
    )
    save_resolver({"resolver": "people", "type": "passwdresolver", "fileName": f"{HOME}/users"})
    set_realm("example", [{"name": "people"}])
    set_default_realm("example")
    challenge = "challenge_response=totp hotp"
    set_policy("challenge", scope="authentication", action=challenge, realm="example")
    for name, kind in (tokens | {"sms": "sms"}).items():
        number = int(name[4:] or 0)
        settings = {"type": kind, "serial": name.upper(), "pin": "canary-pin", "phone": "555"}
        settings |= {"otpkey": f"{SEEDS}{number:06x}", "genkey": 0}
        init_token(settings, user=User(name, realm="example"))


def main():
    """Serve until killed."""
    (HOME / "key").write_bytes(bytes(range(96)))
    (HOME / "pi.cfg").write_text(CONFIG)
    from privacyidea.app import create_app
    from werkzeug.serving import make_server

    app = create_app("production", str(HOME / "pi.cfg"), silent=True)
    with app.app_context():
        prepare()
    for port, *files in zip(*(sys.argv[n::3] for n in (3, 4, 5)), strict=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        secure = make_server("127.0.0.1", int(port), app, threaded=True, ssl_context=context)
        threading.Thread(target=secure.serve_forever, daemon=True).start()
    plain = make_server("127.0.0.1", int(sys.argv[2]), app, threaded=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    plain.serve_forever()


main()
