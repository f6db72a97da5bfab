"""Dovecot's configuration, in the language of the generation that is installed."""

import re
import shutil
import subprocess
from pathlib import Path

PASSWORD = "canary-password"
DOMAIN = "example.org"

BOTH = """
protocols = imap lmtp
listen = 127.0.0.1, 127.0.0.2
base_dir = HOME/run
state_dir = HOME/state
log_path = HOME/dovecot.log
instance_name = HOMENAME
default_internal_user = dovecot
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
first_valid_uid = 1
lmtp_save_to_detail_mailbox = yes
mailbox_list_index = no
ssl = yes
namespace inbox {
  inbox = yes
  mailbox Junk {
    auto = create
    special_use = \\Junk
  }
}
service imap-login {
  process_min_avail = 1
  inet_listener imap {
    port = IMAP_PORT
  }
  inet_listener imaps {
    port = IMAPS_PORT
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap {
  process_min_avail = 1
}
service lmtp {
  unix_listener lmtp {
    mode = 0600
  }
  inet_listener lmtp {
    LISTEN = 127.0.0.1
    port = LMTP_PORT
  }
}
service auth {
  inet_listener sasl {
    LISTEN = 127.0.0.1
    port = SASL_PORT
  }
}
"""

BEFORE_2_4 = """
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
ssl_cert = <GOOD_CERT
ssl_key = <GOOD_KEY
local 127.0.0.2 {
  ssl_cert = <EXPIRED_CERT
  ssl_key = <EXPIRED_KEY
}
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G
}
passdb {
  driver = static
  mechanisms = plain login
  args = password=PASSWORD
}
passdb {
  driver = oauth2
  mechanisms = xoauth2
  args = HOME/oauth2.conf
}
userdb {
  driver = passwd-file
  args = HOME/users
}
userdb {
  driver = static
  args = uid=daemon gid=daemon home=HOME/mail/%u allow_all_users=yes
}
"""

SINCE_2_4 = """
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
ssl_server_cert_file = GOOD_CERT
ssl_server_key_file = GOOD_KEY
local 127.0.0.2 {
  ssl_server_cert_file = EXPIRED_CERT
  ssl_server_key_file = EXPIRED_KEY
}
mail_plugins {
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
quota_storage_size = 1G
quota_storage_grace = 0
quota "User quota" {
  driver = maildir
}
passdb static {
  mechanisms_filter = plain login
  password = PASSWORD
}
passdb oauth2 {
  mechanisms_filter = xoauth2
}
oauth2 {
  INTROSPECTION
}
userdb passwd-file {
  passwd_file_path = HOME/users
}
userdb static {
  fields {
    uid = daemon
    gid = daemon
    home = HOME/mail/%{user}
  }
  allow_all_users = yes
}
"""

INTROSPECTION = """introspection_url = {url}
introspection_mode = post
username_attribute = username
active_attribute = active
active_value = true
"""
FEW = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE UIDPLUS SPECIAL-USE"
"""What the server of the user `poll` says it is able to do: no IDLE."""


def write_dovecot(binary: Path, home: Path, values: dict[str, str], introspection: str) -> None:
    """Write `dovecot.conf` and what it names. `full` has a quota of 1 KiB, `poll` has no IDLE."""
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = map(int, shown.split(".")[:2])
    modern = (major, minor) >= (2, 4)
    for name in ("run", "state", "mail"):
        (home / name).mkdir()
    shutil.chown(home / "mail", "daemon", "daemon")
    (home / "dovecot.log").touch()
    look = INTROSPECTION.format(url=introspection)
    (home / "oauth2.conf").write_text(look)
    # Since 2.4 a configuration begins with the version it is written for.
    head = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" if modern else ""
    text = head + BOTH + (SINCE_2_4 if modern else BEFORE_2_4)
    words = {"LISTEN": "listen" if modern else "address", "INTROSPECTION": look}
    (home / "dovecot.conf").write_text(filled(text, values | words))
    small = "userdb_quota_storage_size=1K" if modern else "userdb_quota_rule=*:storage=1K"
    place = f"1:1::{home}/mail"
    (home / "users").write_text(
        f"poll@{DOMAIN}::{place}/poll@{DOMAIN}::userdb_imap_capability={FEW}\n"
        f"full@{DOMAIN}::{place}/full@{DOMAIN}::{small}\n"
    )


def filled(text: str, values: dict[str, str]) -> str:
    """The text with each name replaced by its value."""
    return re.sub("|".join(sorted(values, key=len, reverse=True)), lambda m: values[m[0]], text)
